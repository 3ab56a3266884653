// Package twilio is what the voice and messaging edges share of Twilio's protocol: the signature on
// a request, the form in its body, and the TwiML that answers it.
//
// Nothing here knows callers, calls or organisations, opens a connection or keeps state beyond an
// account's signing key. What a webhook means belongs to the packages voice and sms.
package twilio
