package dashboard

import (
	"net/url"
)

// emptyState is what a list says that has nothing to show: what it is for, and how to begin.
type emptyState struct{ Title, Text, Link, Label string }

// pager leads through the pages of a list that hang together by cursors: to the first and the next
// one. Either is "" if there is none.
type pager struct{ First, Next string }

// pages returns the way through a list whose address is this request's: next is the cursor of the
// page that follows, nil on the last one.
func (v *visit) pages(next *string) pager { return v.pagesOf(v.r.URL.Path, next) }

// pagesOf is for a list at another address, that of a form on its page.
func (v *visit) pagesOf(path string, next *string) pager {
	query := v.r.URL.Query()
	var p pager
	at := func() string {
		u := url.URL{Path: path, RawQuery: query.Encode()}
		return u.String()
	}
	if query.Get("cursor") != "" {
		query.Del("cursor")
		p.First = at()
	}
	if next != nil {
		query.Set("cursor", *next)
		p.Next = at()
	}
	return p
}

// byScript reports whether htmx asks, which wants a part of a page. Going back it wants all of one.
func (v *visit) byScript() bool {
	return v.r.Header.Get("HX-Request") == "true" && v.r.Header.Get("HX-History-Restore-Request") != "true"
}
