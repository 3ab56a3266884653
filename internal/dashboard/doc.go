// Package dashboard serves the web pages on which people see who is calling, keep the address book
// and set up voice agents.
//
// Every path is a row of one table ([route]): its method, the least role it asks for, the name under
// which a change is written to the audit log, and what serves it. The guard in front of the table
// does what all paths have in common: signing in, roles, requests from other sites, limits, headers.
// What serves a path works on a [visit] and ends by showing a page, sending the browser elsewhere
// ([visit.goTo]), or returning an error, which becomes a page in one place ([Dashboard.fail]).
//
// A page is a struct that embeds [frame] and names its template; a test executes every template
// with the samples of samples_test.go. Pages are whole without JavaScript: forms post and are
// answered by a redirect. Scripts (htmx, and ringside.js of our own) only spare people a reload:
// search as they type, live lists, previews. There is no inline script or style, so that the
// Content-Security-Policy can forbid both.
//
// The package has no SQL: it asks the packages that own the data.
package dashboard
