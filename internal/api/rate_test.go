package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringside/internal/api"
	"ringside/internal/org"
)

// anyKey takes every token for a key of that name.
type anyKey struct{}

func (anyKey) Authenticate(_ context.Context, plain string) (org.Key, error) {
	return org.Key{ID: plain, Scopes: org.Scopes}, nil
}

// asker returns what asks an API without a database, by a key, and returns the status and Retry-After.
func asker(t *testing.T, r api.Rate) func(key, path string) (int, string, string) {
	t.Helper()
	mux, document := http.NewServeMux(), newDocumented(t)
	(&api.API{Keys: anyKey{}, Rate: r, Log: slog.New(slog.DiscardHandler)}).Register(mux)
	return func(key, path string) (int, string, string) {
		recorder := httptest.NewRecorder()
		request := httptest.NewRequest("GET", path, nil)
		request.Header.Set("Authorization", "Bearer "+key)
		mux.ServeHTTP(recorder, request)
		if path != "/v1/nothing" { // where the document has nothing to say of a rate
			document.check(request, recorder.Result(), recorder.Body.Bytes())
		}
		return recorder.Code, recorder.Header().Get("Retry-After"), recorder.Body.String()
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ask := asker(t, api.Rate{PerSecond: 0.5, Burst: 3})
		is := func(key string, status int, retryAfter string) {
			t.Helper()
			if got, after, body := ask(key, "/v1/contacts?no=such"); got != status || after != retryAfter {
				t.Errorf("%s is answered %d, Retry-After %q, want %d, %q: %s", key, got, after, status, retryAfter, body)
			}
		}
		for range 3 {
			is("rsk_one", 422, "")
		}
		is("rsk_one", 429, "2")
		is("rsk_one", 429, "2")
		is("rsk_two", 422, "")
		time.Sleep(1500 * time.Millisecond)
		is("rsk_one", 429, "1") // half a second, told in whole ones
		if _, _, body := ask("rsk_one", "/v1/nothing"); !strings.Contains(body, `"code":"rate_limited"`) || !strings.Contains(body, "more than 0.5 times a second, beyond a burst of 3") {
			t.Errorf("an address that does not exist is answered %s", body)
		}
		time.Sleep(500 * time.Millisecond)
		is("rsk_one", 422, "")
		is("rsk_one", 429, "2")
		// What is refused has not been counted, and what is idle is full again.
		time.Sleep(time.Minute)
		for range 3 {
			is("rsk_one", 422, "")
		}
		is("rsk_one", 429, "2")
		for range 10 { // it has no key that could be told to wait
			if status, _, _ := ask("rsk_one", "/v1/openapi.json"); status != 200 {
				t.Errorf("the document is answered %d", status)
			}
		}
	})
}

func TestNoRate(t *testing.T) {
	t.Parallel()
	ask := asker(t, api.Rate{Burst: 1})
	for range 200 {
		if status, _, body := ask("rsk_one", "/v1/contacts?no=such"); status != 422 {
			t.Fatalf("answered %d %s", status, body)
		}
	}
}

// A key that has been idle costs no memory.
func TestLimitersOfIdleKeysAreDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mux, v1 := http.NewServeMux(), &api.API{Keys: anyKey{}, Rate: api.Rate{PerSecond: 1, Burst: 2}, Log: slog.New(slog.DiscardHandler)}
		v1.Register(mux)
		ask := func(key string) {
			request := httptest.NewRequest("GET", "/v1/nothing", nil)
			request.Header.Set("Authorization", "Bearer "+key)
			mux.ServeHTTP(httptest.NewRecorder(), request)
		}
		for i := range 100 {
			ask(fmt.Sprintf("rsk_%d", i))
		}
		if held := v1.Limiters(); held != 100 {
			t.Errorf("%d limiters are held, want 100", held)
		}
		time.Sleep(time.Second)
		ask("rsk_busy")
		ask("rsk_busy")
		time.Sleep(time.Second) // the hundred are full again, the busy one is not
		ask("rsk_last")
		if held := v1.Limiters(); held != 2 {
			t.Errorf("%d limiters are held, want those of rsk_busy and rsk_last", held)
		}
	})
}
