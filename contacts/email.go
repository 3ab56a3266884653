package contacts

import (
	"fmt"
	"net/mail"
	"strings"
	"unicode"
)

// EmailVerdict says what is thought of an e-mail address.
type EmailVerdict struct {
	Valid bool
	// Doubtful: it has the form of an address but looks misheard or mistyped; have the person
	// say it again.
	Doubtful bool
	Reason   string // a sentence, where not valid or doubtful
}

// misheard are domains that are nearly always a slip for another one.
var misheard = map[string]string{
	"gmial.com": "gmail.com", "gmal.com": "gmail.com", "gmail.co": "gmail.com", "gmail.con": "gmail.com", "gnail.com": "gmail.com",
	"gmaill.com": "gmail.com", "googlemail.con": "googlemail.com", "g-mail.com": "gmail.com", "jmail.com": "gmail.com",
	"hotmal.com": "hotmail.com", "hotmial.com": "hotmail.com", "hotmail.con": "hotmail.com", "hotmail.co": "hotmail.com",
	"outlok.com": "outlook.com", "outlook.con": "outlook.com", "yaho.com": "yahoo.com", "yahoo.con": "yahoo.com", "yahoo.co": "yahoo.com",
	"iclould.com": "icloud.com", "icloud.con": "icloud.com", "icoud.com": "icloud.com",
}

// CheckEmail judges the syntax of an address (RFC 5322's addr-spec, without comments or quoting,
// with letters of any script as in RFC 6532) and whether it looks misheard. Whether the mailbox
// exists is not asked of anybody.
func CheckEmail(email string) EmailVerdict {
	bad := func(format string, args ...any) EmailVerdict {
		return EmailVerdict{Reason: fmt.Sprintf(format, args...)}
	}
	if len(email) > MaxEmail {
		return bad("The e-mail address is longer than %d characters.", MaxEmail)
	}
	local, domain, found := strings.Cut(email, "@")
	if !found {
		return bad("%q is not an e-mail address: it has no @.", email)
	}
	// The library takes any character beyond ASCII, also spaces and what cannot be seen.
	invisible := func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }
	if parsed, err := mail.ParseAddress(email); err != nil || strings.ContainsFunc(email, invisible) || parsed.Address != email || parsed.Name != "" {
		return bad("%q is not an e-mail address: write it like alex@example.com.", email)
	}
	domain = strings.ToLower(domain)
	if !plausibleDomain(domain) {
		return bad("%q is not an e-mail address: %q is not a domain name.", email, domain)
	}
	if meant, ok := misheard[domain]; ok {
		return EmailVerdict{Valid: true, Doubtful: true, Reason: fmt.Sprintf("%q may be meant to end in %q; read it back letter by letter.", email, meant)}
	}
	if tld := domain[strings.LastIndexByte(domain, '.')+1:]; tld == "con" || tld == "cmo" || tld == "ocm" || tld == "comm" {
		return EmailVerdict{Valid: true, Doubtful: true, Reason: fmt.Sprintf("%q ends in .%s, which may be meant as .com; read it back letter by letter.", email, tld)}
	}
	if spelledOut(local) {
		return EmailVerdict{Valid: true, Doubtful: true, Reason: fmt.Sprintf("%q looks as if a word such as \"dot\" or \"at\" had been written out; read it back letter by letter.", email)}
	}
	return EmailVerdict{Valid: true}
}

// plausibleDomain reports whether a lower-case domain has the shape of a public host name: two or
// more labels of letters, digits and hyphens (of any script), the last not a number.
func plausibleDomain(domain string) bool {
	labels := strings.Split(domain, ".")
	if len(labels) < 2 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if r != '-' && !unicode.In(r, unicode.L, unicode.M, unicode.Nd) {
				return false
			}
		}
	}
	last := labels[len(labels)-1]
	return len(last) >= 2 && strings.Trim(last, "0123456789") != ""
}

// spelledOut reports whether the local part holds a separator's name as a word of its own, as
// speech recognition leaves it: "sam.dot.lee", "sam_at_example".
func spelledOut(local string) bool {
	words := strings.FieldsFunc(strings.ToLower(local), func(r rune) bool { return strings.ContainsRune("._-+", r) })
	if len(words) < 2 {
		return false
	}
	for _, word := range words {
		switch word {
		case "dot", "at", "underscore", "dash", "hyphen", "minus", "plus":
			return true
		}
	}
	return false
}
