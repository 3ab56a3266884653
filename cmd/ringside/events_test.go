package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"ringside/internal/agent/schematest"
	"ringside/internal/org"
	"ringside/internal/simulate"
)

// listenAt opens an events socket.
func listenAt(t *testing.T, side *serving, key, query string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(side.Listen, "http", "ws", 1)+"/v1/events"+query,
		http.Header{"Authorization": {"Bearer " + key}})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	if hello := hear(t, conn, "hello"); hello["consumer"] != "crm" {
		t.Errorf("hello is %v", hello)
	}
	return conn
}

// hear reads on until a message of the given type comes.
func hear(t *testing.T, conn *websocket.Conn, kind string) (message map[string]any) {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(eventually)))
	for {
		_, raw, err := conn.ReadMessage()
		must(t, err)
		schematest.Check(t, raw)
		message = nil
		must(t, json.Unmarshal(raw, &message))
		if message["type"] == kind {
			return message
		}
	}
}

// A program hears from one sidecar of what happens at the other, as the voice agent is told of it. When
// its sidecar stops, it is told so, and goes on at the other where it was.
func TestEventsOfAFleet(t *testing.T) {
	t.Parallel()
	shop, a, b := fleet(t)
	_, key, err := org.NewStore(shop.db).CreateKey(t.Context(), shop.org.ID, "crm", "events")
	must(t, err)
	conn := listenAt(t, b, key, "?consumer=crm")
	outcome := place(t, shop.fleetTwilio(a.Listen), simulate.Call{From: alex, To: shopNumber, Script: askAgent})
	started := hear(t, conn, "call.started")
	session, _ := shop.session(1)
	var setup map[string]any
	must(t, json.Unmarshal(session.Messages("setup")[0].Raw, &setup))
	if diff := cmp.Diff(setup["caller"], started["caller"]); diff != "" || started["call_sid"] != outcome.CallSID {
		t.Errorf("the beginning is %v; the caller (-relay +events):\n%s", started, diff)
	}
	must(t, conn.WriteJSON(map[string]any{"type": "ack", "id": 1, "cursor": started["cursor"]}))
	completed := hear(t, conn, "call.completed")
	if completed["call_sid"] != outcome.CallSID || completed["status"] != "completed" {
		t.Errorf("the end is %v", completed)
	}
	must(t, conn.WriteJSON(map[string]any{"type": "ringside.note", "id": 2, "call_sid": outcome.CallSID, "note": "Called back"}))
	if result := hear(t, conn, "ringside.result"); result["ok"] != true {
		t.Errorf("the note is answered %v", result)
	}

	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		b.stop()
	}()
	_, _, err = conn.ReadMessage()
	for err == nil { // the note's result, where the acknowledgement's came first
		_, _, err = conn.ReadMessage()
	}
	if closed, ok := errors.AsType[*websocket.CloseError](err); !ok || closed.Code != websocket.CloseServiceRestart {
		t.Errorf("a sidecar that stops: %v", err)
	}
	conn = listenAt(t, a, key, "?consumer=crm")
	if again := hear(t, conn, "call.completed"); again["call_sid"] != outcome.CallSID {
		t.Errorf("at the other sidecar: %v", again)
	}
	<-stopped
}

// A program answers a message in the answer to its webhook if it is quick, else by a message of its own;
// the same answer twice is one.
func TestAProgramAnswersMessages(t *testing.T) {
	t.Parallel()
	for name, budget := range map[string]string{"at once": "14s", "late": "1ms"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shop, side, twilio, key := sends(t, "RINGSIDE_REPLY_BUDGET="+budget, "RINGSIDE_WRITE_BUDGET=10s")
			conn := listenAt(t, side, key, "?consumer=crm")
			received := make(chan *simulate.Receipt, 1)
			go func() {
				receipt, err := shop.twilio(side.Listen).Send(t.Context(), simulate.Text{From: alex, To: shopNumber, Body: "Is Friday fine?"})
				if err != nil {
					t.Errorf("the message: %v", err)
				}
				received <- receipt
			}()
			event := hear(t, conn, "sms.received")
			if caller, _ := event["caller"].(map[string]any); caller["name"] != "Alex Chen" || event["text"] != "Is Friday fine?" {
				t.Errorf("told %v", event)
			}
			if budget == "1ms" {
				if receipt := <-received; receipt == nil || len(receipt.Replies) != 0 {
					t.Errorf("the webhook was answered %+v", receipt)
				}
			}
			for range 2 {
				must(t, conn.WriteJSON(map[string]any{"type": "ringside.send_sms", "id": "1", "message_sid": event["message_sid"], "text": "Friday is fine."}))
				if result := hear(t, conn, "ringside.result"); result["ok"] != true {
					t.Errorf("the answer is %v", result)
				}
			}
			if budget != "1ms" {
				if receipt := <-received; receipt == nil || len(receipt.Replies) != 1 || receipt.Replies[0].Text != "Friday is fine." {
					t.Errorf("the webhook was answered %+v", receipt)
				}
				if twilio.count() != 0 {
					t.Errorf("%d messages were sent beside", twilio.count())
				}
				return
			}
			if sent := twilio.last(); twilio.count() != 1 || sent.Get("Body") != "Friday is fine." || sent.Get("To") != alex || sent.Get("From") != shopNumber {
				t.Errorf("%d messages were sent, the last %v", twilio.count(), sent)
			}
		})
	}
}

// A program's reply goes to nobody who has asked for no more messages, and one key is one message.
func TestRepliesThatAreRefused(t *testing.T) {
	t.Parallel()
	shop, side, twilio, key := sends(t, "RINGSIDE_REPLY_BUDGET=4s", "RINGSIDE_WRITE_BUDGET=10s")
	conn := listenAt(t, side, key, "?consumer=crm")
	write := func(text string) (event map[string]any, received chan *simulate.Receipt) {
		received = make(chan *simulate.Receipt, 1)
		go func() {
			receipt, err := shop.twilio(side.Listen).Send(t.Context(), simulate.Text{From: alex, To: shopNumber, Body: text})
			if err != nil {
				t.Errorf("the message: %v", err)
			}
			received <- receipt
		}()
		return hear(t, conn, "sms.received"), received
	}
	answer := func(event map[string]any, text string) map[string]any {
		must(t, conn.WriteJSON(map[string]any{"type": "ringside.send_sms", "id": "1", "message_sid": event["message_sid"], "text": text, "key": "k"}))
		return hear(t, conn, "ringside.result")
	}
	event, received := write("Is Friday fine?")
	if result := answer(event, "It is."); result["ok"] != true {
		t.Errorf("the first answer is %v", result)
	}
	<-received
	event, received = write("At ten?")
	if result := answer(event, "At eleven."); result["code"] != "idempotency_key_reused" {
		t.Errorf("another message under the same key is %v", result)
	}
	must(t, conn.WriteJSON(map[string]any{"type": "ringside.send_sms", "message_sid": event["message_sid"], "text": "At eleven."}))
	if receipt := <-received; receipt == nil || len(receipt.Replies) != 1 {
		t.Errorf("answered %+v", receipt)
	}
	if _, err := shop.twilio(side.Listen).Send(t.Context(), simulate.Text{From: alex, To: shopNumber, Body: "STOP"}); err != nil {
		t.Fatal(err)
	}
	event, received = write("Did you get that?")
	must(t, conn.WriteJSON(map[string]any{"type": "ringside.send_sms", "id": "2", "message_sid": event["message_sid"], "text": "We did."}))
	for {
		result := hear(t, conn, "ringside.result")
		if result["id"] == "2" {
			if result["code"] != "opted_out" {
				t.Errorf("a reply to somebody who wants none is %v", result)
			}
			break
		}
	}
	if receipt := <-received; receipt == nil || len(receipt.Replies) != 0 || twilio.count() != 0 {
		t.Errorf("answered %+v, and %d messages were sent", receipt, twilio.count())
	}
}
