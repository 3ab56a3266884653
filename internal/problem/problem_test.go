package problem_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/problem"
)

func TestWriteIsAnRFC9457Document(t *testing.T) {
	t.Parallel()
	duplicate := problem.New(problem.CodeDuplicatePhone, "A contact with this phone number already exists.")
	duplicate.Field, duplicate.ID = "phone", "6f1c2f0e-8a49-4c1e-9d0a-3b1d1b7a2c11"
	tests := []struct {
		name   string
		err    error
		shown  bool
		status int
		want   map[string]any
	}{
		{
			name: "with field and id", err: duplicate, shown: true, status: 409,
			want: map[string]any{"type": "about:blank", "title": "Conflict", "status": 409.0, "code": "duplicate_phone",
				"detail": "A contact with this phone number already exists.", "field": "phone", "id": "6f1c2f0e-8a49-4c1e-9d0a-3b1d1b7a2c11"},
		},
		{
			name: "wrapped", err: fmt.Errorf("add contact: %w", problem.NotFound("There is no organisation %s.", "x")), shown: true, status: 404,
			want: map[string]any{"type": "about:blank", "title": "Not Found", "status": 404.0, "code": "not_found", "detail": "There is no organisation x."},
		},
		{
			name: "text that is no UTF-8", err: problem.Invalid("name", "%s", "a\xffb\x00"), shown: true, status: 422,
			want: map[string]any{"type": "about:blank", "title": "Unprocessable Entity", "status": 422.0, "code": "invalid", "detail": "a\uFFFDb\x00", "field": "name"},
		},
		{
			name: "an error of the infrastructure", err: errors.New("dial tcp 10.0.0.7:5432: password authentication failed"), status: 500,
			want: map[string]any{"type": "about:blank", "title": "Internal Server Error", "status": 500.0, "code": "internal",
				"detail": "Something went wrong here. Try again; if it stays, tell the operator the time of this request."},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			if shown := problem.Write(w, test.err); shown != test.shown {
				t.Errorf("shown %t, want %t", shown, test.shown)
			}
			res := w.Result()
			if res.StatusCode != test.status {
				t.Errorf("status %d, want %d", res.StatusCode, test.status)
			}
			for name, want := range map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store", "WWW-Authenticate": ""} {
				if got := res.Header.Get(name); got != want {
					t.Errorf("%s %q, want %q", name, got, want)
				}
			}
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want, +got):\n%s", diff)
			}
		})
	}
}

// RFC 9110, section 11.6.1: a 401 names the scheme that is asked for.
func TestWriteUnauthorizedNamesTheScheme(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	problem.Write(w, problem.New(problem.CodeUnauthorized, "This API key is not valid."))
	if got, want := w.Result().Header.Get("WWW-Authenticate"), `Bearer realm="ringside"`; got != want {
		t.Errorf("WWW-Authenticate %q, want %q", got, want)
	}
}

// RFC 9110, section 10.2.3: whole seconds. They are never fewer than asked for.
func TestWriteRetryAfter(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{0: "", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Minute: "60"} {
		p := problem.New(problem.CodeRateLimited, "Wait.")
		p.RetryAfter = wait
		w := httptest.NewRecorder()
		problem.Write(w, p)
		if got := w.Result().Header.Get("Retry-After"); got != want || w.Code != http.StatusTooManyRequests {
			t.Errorf("after %s: status %d, Retry-After %q, want %q", wait, w.Code, got, want)
		}
	}
}

func TestCodesHaveTheirStatus(t *testing.T) {
	t.Parallel()
	statuses := map[problem.Code]int{
		problem.CodeInvalid:              http.StatusUnprocessableEntity,
		problem.CodeUnauthorized:         http.StatusUnauthorized,
		problem.CodeForbidden:            http.StatusForbidden,
		problem.CodeNotFound:             http.StatusNotFound,
		problem.CodeConflict:             http.StatusConflict,
		problem.CodeDuplicatePhone:       http.StatusConflict,
		problem.CodeContactLimitReached:  http.StatusPaymentRequired,
		problem.CodeTooLarge:             http.StatusRequestEntityTooLarge,
		problem.CodeMediaType:            http.StatusUnsupportedMediaType,
		problem.CodeIdempotencyKeyReused: http.StatusUnprocessableEntity,
		problem.CodeOptedOut:             http.StatusConflict,
		problem.CodeTwilioRefused:        http.StatusBadGateway,
		problem.CodeRateLimited:          http.StatusTooManyRequests,
		problem.CodeUnavailable:          http.StatusServiceUnavailable,
		problem.CodeInternal:             http.StatusInternalServerError,
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(statuses)), problem.Codes()); diff != "" {
		t.Errorf("Codes (-want, +got):\n%s", diff)
	}
	statuses["a code of tomorrow"] = http.StatusInternalServerError
	for code, want := range statuses {
		if got := code.Status(); got != want {
			t.Errorf("%s: status %d, want %d", code, got, want)
		}
	}
}

func TestFromGivesNothingAway(t *testing.T) {
	t.Parallel()
	const secret = "postgres://ringside:hunter2@db/ringside"
	for _, err := range []error{errors.New(secret), fmt.Errorf("open: %w", errors.New(secret)), errors.Join(errors.New(secret), errors.New("no"))} {
		p, shown := problem.From(err)
		if shown || p.Code != problem.CodeInternal || strings.Contains(p.Error(), secret) {
			t.Errorf("From(%v) = %q, shown %t", err, p, shown)
		}
	}
	given := problem.Invalid("phone", "%q has %d digits.", "+1", 1)
	for _, err := range []error{given, fmt.Errorf("add: %w", given), errors.Join(errors.New(secret), given)} {
		if p, shown := problem.From(err); !shown || p != given {
			t.Errorf("From(%v) = %v, shown %t, want the problem inside", err, p, shown)
		}
	}
}

func TestErrorNamesTheField(t *testing.T) {
	t.Parallel()
	if got, want := problem.Invalid("phone", "%d digits are too few.", 3).Error(), "phone: 3 digits are too few."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := problem.NotFound("There is no call %q.", "CA1").Error(), `There is no call "CA1".`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
