package dashboard

import (
	"strings"
	"testing"
	"time"

	"ringside/internal/member"
)

// samples are pages for the test that executes every template, by the template's name. The test
// file of each page adds its own, one for each state that the template tells apart.
var samples = map[string][]page{}

func sample(pages ...page) bool {
	for _, p := range pages {
		samples[p.template()] = append(samples[p.template()], p)
	}
	return true
}

var _ = sample(
	&errorPage{frame: frame{Title: "Not found"}, Detail: "There is no page at this address."},
	&errorPage{frame: frame{Title: "Not found"}, Detail: "There is no page at this address.", SignedIn: true, Contact: "id"},
	&demoPage{Lines: []DemoLine{{Kind: "call", Who: "Twilio", Text: "<b>", At: time.Second}}},
)

// A field that a page lacks shows only when its template is executed.
func TestEveryTemplateIsExecuted(t *testing.T) {
	t.Parallel()
	for name := range templates() {
		if len(samples[name]) == 0 {
			t.Errorf("templates/pages/%s.html has no sample: add one in the test of its page", name)
		}
	}
	for name, pages := range samples {
		for _, p := range pages {
			for _, signedIn := range []bool{false, true} {
				f := p.base()
				f.Zone, f.Member, f.Notice = time.UTC, nil, "It <worked>."
				if signedIn {
					f.Member = &member.Member{Email: "owner@example.com", Role: member.Owner}
				}
				body, err := render(name, "layout", p)
				if err != nil {
					t.Errorf("%v", err)
					continue
				}
				if html := string(body); strings.Contains(html, "<worked>") || strings.Contains(html, "ZgotmplZ") || strings.Contains(html, "<no value>") {
					t.Errorf("%s: something is not escaped, or has no value:\n%s", name, html)
				}
			}
		}
	}
}
