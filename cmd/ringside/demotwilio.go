package main

import (
	"crypto/rand"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"ringside/internal/simulate"
	"ringside/internal/simulate/restapi"
)

// demoTwilio is the demo's Twilio: an account, and its REST API on this machine.
type demoTwilio struct {
	account, token string
	api            *restapi.Server
	server         *http.Server
	url            string

	mu      sync.Mutex
	observe func(simulate.Event)
}

// openDemoTwilio starts the API.
func openDemoTwilio() (*demoTwilio, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &demoTwilio{account: simulate.NewSID("AC"), token: strings.ToLower(rand.Text()), url: "http://" + listener.Addr().String()}
	t.api = restapi.New(restapi.Options{Accounts: map[string]string{t.account: t.token}, Party: demoParty, Twilio: simulate.Twilio{Observe: t.tell}})
	t.server = &http.Server{Handler: t.api, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = t.server.Serve(listener) }() // it ends with close
	return t, nil
}

// demoParty is what people do whom the demo calls.
func demoParty(string) restapi.Party {
	return restapi.Party{Rings: time.Second, Script: []simulate.Step{simulate.Wait(pagePace), simulate.Say("Oh, hello! What do you know about me?"), simulate.Wait(pagePace), simulate.Say("Goodbye.")}}
}

// watch tells somebody what happens in calls that were placed.
func (t *demoTwilio) watch(observe func(simulate.Event)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.observe = observe
}

func (t *demoTwilio) tell(e simulate.Event) {
	t.mu.Lock()
	observe := t.observe
	t.mu.Unlock()
	if observe != nil {
		observe(e)
	}
}

func (t *demoTwilio) close() error {
	err := t.server.Close()
	t.api.Close()
	return err
}
