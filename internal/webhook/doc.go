// Package webhook lets in what Twilio posts, and nothing else: it reads a request's form, checks who
// signed it (rule 19), and hands it to the edge whose path it is, voice or sms. What is not signed as
// it must be gets a plain HTTP error and writes nothing.
package webhook
