// Package outgoing sends calls and messages through Twilio's REST API, each once.
//
// Twilio's API has no key by which a request that is repeated would be known. So each call and message is a
// row before Twilio is asked ([Store.Add]); a [Dispatcher] takes rows one by one, asks, and settles them. It
// asks again only where Twilio cannot have acted. Where that is not known, because the answer was lost or the
// program was killed while it waited, it looks among what Twilio has before it asks again: see
// [Sender.Find]. And since Twilio names the row in every webhook of a call ([Store.Bind]), most such cases
// settle themselves.
package outgoing
