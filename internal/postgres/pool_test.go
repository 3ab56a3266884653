package postgres_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"ringside/internal/postgres"
	"ringside/internal/postgres/pgtest"
)

func TestOpenSettings(t *testing.T) {
	t.Parallel()
	url := pgtest.EmptyURL(t)
	tests := []struct {
		name     string
		url      string
		opts     []postgres.PoolOption
		maxConns int32
		app      string
	}{
		{name: "defaults", url: url, maxConns: 16, app: "ringside"},
		{name: "the URL's", url: url + "&pool_max_conns=3&application_name=dashboard", maxConns: 3, app: "dashboard"},
		{name: "an option beats the URL", url: url + "&pool_max_conns=3", opts: []postgres.PoolOption{postgres.WithMaxConns(2)}, maxConns: 2, app: "ringside"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool, err := postgres.Open(t.Context(), test.url, test.opts...)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			if got := pool.Config().MaxConns; got != test.maxConns {
				t.Errorf("at most %d connections, want %d", got, test.maxConns)
			}
			var app string
			if err := pool.QueryRow(t.Context(), `SHOW application_name`).Scan(&app); err != nil {
				t.Fatal(err)
			}
			if app != test.app {
				t.Errorf("application_name %q, want %q", app, test.app)
			}
		})
	}
}

func TestOpenErrorsNameTheServerAndNoPassword(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts in its backlog and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	const secret = "s3cr3t"
	at := func(address, rest string) string {
		return "postgres://ana:" + secret + "@" + address + "/book?sslmode=disable" + rest
	}
	tests := []struct {
		name, url string
		want      []string
	}{
		{"no server", at(closed.Addr().String(), ""), []string{`"book"`, closed.Addr().String(), "no server is listening there"}},
		{"no socket", "postgres://ana:" + secret + "@/book?host=/nonexistent", []string{`"book"`, "/nonexistent", "no server is listening there"}},
		{"silence", at(silent.Addr().String(), "&connect_timeout=1"), []string{`"book"`, "no answer within 1s"}},
		{"no such database", strings.Replace(pgtest.EmptyURL(t), "/test_", "/none_", 1), []string{"there is no such database"}},
		{"wrong password", at(refusing(t, "28P01", 100), ""), []string{`refuses the password of user "ana"`}},
		{"full", at(refusing(t, "53300", 100), ""), []string{"max_connections"}},
		{"unknown code", at(refusing(t, "XX000", 100), ""), []string{"no entry today"}},
		{"unreadable port", "postgres://ana:" + secret + "@host:port/book", []string{"cannot be read"}},
		{"unescaped password", "postgres://ana:" + secret + "%zz@host/book", []string{"cannot be read", "percent-encoded"}},
		{"unreadable setting", at("host", "&pool_max_conns=many"), []string{"cannot be read"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool, err := postgres.Open(t.Context(), test.url)
			if err == nil {
				pool.Close()
				t.Fatal("opened")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q gives the password away or has several lines", err)
			}
		})
	}
}

func TestOpenWaitsForAServerThatStartsUp(t *testing.T) {
	t.Parallel()
	pool, err := postgres.Open(t.Context(), "postgres://ana@"+refusing(t, "57P03", 3)+"/book?sslmode=disable")
	if err != nil {
		t.Fatalf("open a server that was starting up at first: %v", err)
	}
	pool.Close()
}

func TestOpenStopsWaitingWhenAsked(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if pool, err := postgres.Open(ctx, "postgres://ana@"+refusing(t, "57P03", 100)+"/book?sslmode=disable"); !errors.Is(err, context.Canceled) {
		if err == nil {
			pool.Close()
		}
		t.Errorf("error %v, want the context's", err)
	}
}

// refusing returns the address of a server that refuses so many connections with a SQLSTATE, and
// from then on lets everybody in and answers every query with nothing.
func refusing(t *testing.T, code string, times int) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for n := 0; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			answerStartup(conn, code, n < times)
		}
	}()
	return listener.Addr().String()
}

func answerStartup(conn net.Conn, code string, refuse bool) {
	defer conn.Close()
	backend := pgproto3.NewBackend(conn, conn)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return
	}
	if refuse {
		backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: code, Message: "no entry today"})
		_ = backend.Flush() // the client notices
		return
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for backend.Flush() == nil {
		message, err := backend.Receive()
		if err != nil {
			return
		}
		if _, ok := message.(*pgproto3.Query); ok {
			backend.Send(&pgproto3.EmptyQueryResponse{})
			backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		}
	}
}
