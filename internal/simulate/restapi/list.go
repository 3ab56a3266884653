package restapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// apiVersion is the version of Twilio's API that this is.
const apiVersion = "2010-04-01"

// Sizes of a page (Twilio: REST API, paging).
const (
	pageSize    = 50
	maxPageSize = 1000
)

// list answers with a page of what was found, the newest first.
func list(w http.ResponseWriter, r *http.Request, name string, found []any) {
	slices.Reverse(found)
	number := func(name string, otherwise, most int) int {
		n, err := strconv.Atoi(r.Form.Get(name))
		if err != nil || n < 0 || n > most {
			return otherwise
		}
		return n
	}
	size := max(1, number("PageSize", pageSize, maxPageSize))
	page := number("Page", 0, len(found))
	start := min(page*size, len(found))
	end := min(start+size, len(found))
	uri := func(page int) string {
		query := url.Values{}
		for name, values := range r.Form {
			query[name] = values
		}
		query.Set("Page", strconv.Itoa(page))
		query.Set("PageSize", strconv.Itoa(size))
		return r.URL.Path + "?" + query.Encode()
	}
	var next, previous *string
	if end < len(found) {
		next = new(uri(page + 1))
	}
	if page > 0 {
		previous = new(uri(page - 1))
	}
	answer(w, http.StatusOK, map[string]any{name: append([]any{}, found[start:end]...), "page": page, "page_size": size, "start": start, "end": max(end-1, start),
		"first_page_uri": uri(0), "next_page_uri": next, "previous_page_uri": previous, "uri": uri(page)})
}

// matches tells whether a resource has what the query asks for.
func matches(r *http.Request, members map[string]string) bool {
	for name, value := range members {
		if want := r.Form.Get(name); want != "" && want != value {
			return false
		}
	}
	return true
}

func missing(w http.ResponseWriter, r *http.Request) {
	refuse(w, http.StatusNotFound, codeNotFound, "The requested resource "+r.URL.Path+" was not found")
}

// now is the time as Twilio writes it (RFC 2822).
func now() *string { return new(time.Now().UTC().Format(time.RFC1123Z)) }
