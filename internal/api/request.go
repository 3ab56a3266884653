package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"ringside/internal/problem"
)

// maxBody bounds a JSON request, in bytes.
const maxBody = 1 << 20

// decode reads a JSON object into v. A field that v does not have is refused rather than ignored: it
// is a typing error, or something that the client believes was done.
func decode(r *http.Request, v any) error {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return problem.New(problem.CodeMediaType, "Send JSON, with `Content-Type: application/json`.")
	}
	body := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	body.DisallowUnknownFields()
	if err := body.Decode(v); err != nil {
		return unreadable(err)
	}
	if _, err := body.Token(); !errors.Is(err, io.EOF) {
		return problem.Invalid("", "Send one JSON object, and nothing behind it.")
	}
	return nil
}

// unreadable says what is wrong with a body.
func unreadable(err error) error {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return problem.New(problem.CodeTooLarge, "The request is larger than %d bytes.", maxBody)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return problem.Invalid(wrong.Field, "This is of type %s, and has to be %s.", wrong.Value, described(wrong.Type.String()))
	}
	// encoding/json has no type for this one.
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		if field, err := strconv.Unquote(name); err == nil {
			return problem.Invalid(field, "There is no such field.")
		}
	}
	return problem.Invalid("", "The request is not a JSON object.")
}

// described names a Go type as a client knows it.
func described(goType string) string {
	switch {
	case strings.Contains(goType, "[]"):
		return "a list of strings"
	case strings.Contains(goType, "string"):
		return "a string"
	case strings.Contains(goType, "int"):
		return "a whole number"
	}
	return "of another one"
}

// queryKey is what the parameters of a request are kept under in its context.
type queryKey struct{}

// withQuery returns the request with its parameters for [query]. One that is not among those known, or
// given twice, is refused: a filter that is silently left out shows more than was asked for.
func withQuery(r *http.Request, known []string) (*http.Request, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, problem.Invalid("", "The query string cannot be read; encode it as a form is.")
	}
	for name, given := range values {
		if len(known) == 0 {
			return nil, problem.Invalid(name, "There is no such parameter: this request takes none.")
		}
		if !slices.Contains(known, name) {
			return nil, problem.Invalid(name, "There is no such parameter. There are: %s.", strings.Join(known, ", "))
		}
		if len(given) > 1 {
			return nil, problem.Invalid(name, "This is given more than once.")
		}
	}
	return r.WithContext(context.WithValue(r.Context(), queryKey{}, values)), nil
}

// query returns the parameters of a request: those of its entry in the table, and no others.
func query(r *http.Request) url.Values {
	values, _ := r.Context().Value(queryKey{}).(url.Values)
	return values
}

// flag reads a parameter that is true or false; left out, it is false.
func flag(values url.Values, name string) (bool, error) {
	text := values.Get(name)
	if text == "" {
		return false, nil
	}
	set, err := strconv.ParseBool(text)
	if err != nil {
		return false, problem.Invalid(name, "%s is true or false.", name)
	}
	return set, nil
}

// limit reads how long a page is to be; 0 leaves it to the list.
func limit(values url.Values) (int, error) {
	text := values.Get("limit")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, problem.Invalid("limit", "limit is a whole number from 1.")
	}
	return n, nil
}
