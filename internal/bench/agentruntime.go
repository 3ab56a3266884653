package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// agentRuntime is the agent program at the far end of every call: it takes sockets, and gives each to
// whoever waits for the call that the first message names.
type agentRuntime struct {
	listener net.Listener
	server   *http.Server
	served   chan error

	mu      sync.Mutex
	awaited map[string]chan *websocket.Conn // by CallSid
}

func startRuntime() (*agentRuntime, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the agent runtime: %w", err)
	}
	r := &agentRuntime{listener: listener, served: make(chan error, 1), awaited: map[string]chan *websocket.Conn{}}
	r.server = &http.Server{Handler: http.HandlerFunc(r.take), ReadHeaderTimeout: answerPatience}
	go func() { r.served <- r.server.Serve(listener) }()
	return r, nil
}

func (r *agentRuntime) addr() string { return r.listener.Addr().String() }
func (r *agentRuntime) url() string  { return "ws://" + r.addr() + "/agent" }

func (r *agentRuntime) close() error {
	err := r.server.Close()
	if served := <-r.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// take accepts a socket and reads its first message. Sockets that nobody waits for are closed.
func (r *agentRuntime) take(w http.ResponseWriter, request *http.Request) {
	upgrader := websocket.Upgrader{WriteBufferPool: &writeBuffers}
	conn, err := upgrader.Upgrade(w, request, nil)
	if err != nil {
		return // Upgrade has answered
	}
	var setup struct {
		CallSID string `json:"callSid"`
	}
	if _, message, err := conn.ReadMessage(); err != nil || json.Unmarshal(message, &setup) != nil {
		conn.Close()
		return
	}
	r.mu.Lock()
	waiting := r.awaited[setup.CallSID]
	delete(r.awaited, setup.CallSID)
	r.mu.Unlock()
	if waiting == nil {
		conn.Close()
		return
	}
	waiting <- conn
}

// expect has to come before the call's first message; await returns its socket.
func (r *agentRuntime) expect(callSID string) (await func(ctx context.Context) (*websocket.Conn, error)) {
	waiting := make(chan *websocket.Conn, 1)
	r.mu.Lock()
	r.awaited[callSID] = waiting
	r.mu.Unlock()
	return func(ctx context.Context) (*websocket.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, answerPatience)
		defer cancel()
		select {
		case conn := <-waiting:
			return conn, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the call at the agent runtime: %w", ctx.Err())
		}
	}
}

// writeBuffers are shared by the ends of all calls.
var writeBuffers sync.Pool

// closeSocket says goodbye.
func closeSocket(conn *websocket.Conn) {
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second)) // the other side may have gone
	_ = conn.Close()
}
