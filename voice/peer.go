package voice

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// writeBuffers are shared by all sockets: a buffer is needed only while a frame is written.
var writeBuffers sync.Pool

// Sizes of a socket's buffers, in bytes. Frames are small; larger ones are read and written in parts.
const (
	readBuffer  = 1 << 10
	writeBuffer = 2 << 10
)

// peer is one side of a relay. One goroutine reads it; any may write.
type peer struct {
	conn    *websocket.Conn
	timing  *timing
	writing sync.Mutex
	alive   time.Time // when the read deadline was last moved on for a sign of life
}

func newPeer(conn *websocket.Conn, limit int64, t *timing) *peer {
	p := &peer{conn: conn, timing: t}
	conn.SetReadLimit(limit)
	conn.SetPongHandler(func(string) error {
		p.heard()
		return nil
	})
	p.heard()
	return p
}

// heard notes a sign of life: the next one is due within Silence, or up to a sixteenth less, since
// the deadline is not moved for each of many frames. Only who reads may call it.
func (p *peer) heard() {
	now := time.Now()
	if now.Sub(p.alive) < p.timing.Silence/16 {
		return
	}
	p.expect(p.timing.Silence)
	p.alive = now
}

// expect gives the peer this long for its next message. It fails only on a closed connection, which
// the next read reports.
func (p *peer) expect(within time.Duration) {
	p.alive = time.Time{}
	_ = p.conn.SetReadDeadline(time.Now().Add(within))
}

// read returns the next message, in buf if it fits. The message is valid until buf is used again.
func (p *peer) read(buf []byte) (kind int, message []byte, err error) {
	kind, r, err := p.conn.NextReader()
	if err != nil {
		return 0, nil, err
	}
	message = buf[:0]
	if cap(message) == 0 {
		message = make([]byte, 0, 512)
	}
	for {
		if len(message) == cap(message) {
			message = append(message, 0)[:len(message)]
		}
		n, err := r.Read(message[len(message):cap(message)])
		message = message[:len(message)+n]
		if errors.Is(err, io.EOF) {
			return kind, message, nil
		}
		if err != nil {
			return 0, nil, err
		}
	}
}

// write sends one message. It blocks while the peer does not take it, up to Write: that is the
// back-pressure on the other side, and no queue grows.
func (p *peer) write(kind int, message []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	if err := p.conn.SetWriteDeadline(time.Now().Add(p.timing.Write)); err != nil {
		return err
	}
	return p.conn.WriteMessage(kind, message)
}

func (p *peer) ping() error {
	return p.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(p.timing.Write))
}

// close says why, waits a moment for the other side to agree, and drops the connection. Nobody else
// may be reading.
func (p *peer) close(code int, reason string) {
	p.farewell(code, reason)
	p.awaitClose(p.timing.Close)
}

// awaitClose reads on until the other side closes, at most for a while, and drops the connection.
func (p *peer) awaitClose(within time.Duration) {
	giveUp := time.AfterFunc(within, p.drop) // a read deadline would move with every pong
	defer giveUp.Stop()
	for {
		if _, _, err := p.conn.NextReader(); err != nil {
			p.drop()
			return
		}
	}
}

// drop closes the connection without a word. Whoever reads or writes it gets an error at once.
func (p *peer) drop() { _ = p.conn.Close() } // nothing is left to lose

// farewell sends a close frame. Its reason is at most 123 bytes (RFC 6455, 5.5).
func (p *peer) farewell(code int, reason string) {
	if len(reason) > 123 {
		reason = reason[:123]
	}
	_ = p.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(p.timing.Close))
}

// ending reads from a failed read or write how the peer ended: with its own close code and reason,
// or by being lost.
func ending(err error) (code int, reason string, lost bool) {
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok && closed.Code != websocket.CloseAbnormalClosure {
		return closed.Code, closed.Text, false
	}
	return 0, "", true
}
