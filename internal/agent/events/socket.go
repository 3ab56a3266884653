package events

import (
	"io"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// How sockets are closed, beside what WebSocket itself knows (RFC 6455, 7.4.1; 4000 and above are for
// applications).
const (
	closeRestart   = websocket.CloseServiceRestart
	closePolicy    = websocket.ClosePolicyViolation
	closeNotText   = websocket.CloseUnsupportedData
	closeFailed    = websocket.CloseInternalServerErr
	closeTakenOver = 4001
)

// socket is the connection to a program. One goroutine reads it; any may write.
type socket struct {
	conn    *websocket.Conn
	timing  *timing
	writing sync.Mutex
}

func newSocket(conn *websocket.Conn, t *timing) *socket {
	p := &socket{conn: conn, timing: t}
	conn.SetReadLimit(readLimit)
	conn.SetPongHandler(func(string) error {
		p.heard()
		return nil
	})
	p.heard()
	return p
}

// heard notes a sign of life. It fails only on a closed connection, which the next read reports.
func (p *socket) heard() { _ = p.conn.SetReadDeadline(time.Now().Add(p.timing.Silence)) }

// write sends one message. A program that does not take it in time is lost.
func (p *socket) write(message []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	if err := p.conn.SetWriteDeadline(time.Now().Add(p.timing.Write)); err != nil {
		return err
	}
	return p.conn.WriteMessage(websocket.TextMessage, message)
}

func (p *socket) ping() error {
	return p.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(p.timing.Write))
}

// farewell says why the socket is closed. The reader ends when the other side agrees, or a moment later.
func (p *socket) farewell(code int, reason string) {
	_ = p.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(p.timing.Close))
	time.AfterFunc(p.timing.Close, p.drop)
}

// close closes a socket that nobody reads.
func (p *socket) close(code int, reason string) {
	p.farewell(code, reason)
	for {
		if _, _, err := p.conn.NextReader(); err != nil {
			p.drop()
			return
		}
	}
}

// hearOut takes what the other side is still writing, for a moment, so that it can read why the socket
// is closed: a connection that is closed before loses that.
func (p *socket) hearOut() {
	_ = p.conn.SetReadDeadline(time.Now().Add(p.timing.Close))
	_, _ = io.Copy(io.Discard, p.conn.NetConn())
}

// drop closes the connection without a word. Whoever reads or writes it gets an error at once.
func (p *socket) drop() { _ = p.conn.Close() } // nothing is left to lose
