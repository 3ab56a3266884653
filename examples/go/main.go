// A small agent runtime for Ringside, with simple rules where a real one has a language model: it holds
// conversations on the relay (a WebSocket server that Ringside connects to) and, given a key, listens
// to what happens on the events socket and answers messages. The protocol is docs/agent-protocol.md.
package main

import (
	"cmp"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// message has the fields that this program looks at, of all types.
type message struct {
	Type       string `json:"type"`
	ID         string `json:"id"`
	OK         bool   `json:"ok"`
	Code       string `json:"code"`
	Prompt     string `json:"voicePrompt"`
	Cursor     string `json:"cursor"`
	CallSID    string `json:"call_sid"`
	MessageSID string `json:"message_sid"`
	Text       string `json:"text"`
	Caller     struct {
		Name string `json:"name"`
	} `json:"caller"`
}

type object map[string]any

var email = regexp.MustCompile(`[^\s@]+@[^\s@]+\.\w+`)

// say speaks to the caller, in pieces as a model gives them.
func say(conn *websocket.Conn, text string) {
	words := strings.SplitAfter(text, " ")
	for i, word := range words {
		conn.WriteJSON(object{"type": "text", "token": word, "last": i == len(words)-1})
	}
}

// converse holds one conversation on the relay.
func converse(w http.ResponseWriter, r *http.Request) {
	if secret := os.Getenv("RUNTIME_SECRET"); secret != "" && r.Header.Get("Authorization") != "Bearer "+secret {
		http.Error(w, "not for you", http.StatusUnauthorized)
		return
	}
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	name, heard := "", 0
	for {
		var m message
		if err := conn.ReadJSON(&m); err != nil {
			return // the call is over
		}
		switch address := email.FindString(m.Prompt); {
		case m.Type == "setup" || m.Type == "ringside.context":
			name = m.Caller.Name
		case m.Type == "ringside.result" && m.ID == "email" && m.OK:
			say(conn, "Thank you, I have noted your address.")
		case m.Type == "ringside.result" && m.ID == "email":
			say(conn, "I could not save that. Please spell it for me.")
		case m.Type != "prompt": // interruptions and the like
		case address != "":
			conn.WriteJSON(object{"type": "ringside.capture_contact", "id": "email", "email": address})
		case strings.Contains(strings.ToLower(m.Prompt), "bye"):
			conn.WriteJSON(object{"type": "ringside.summary", "summary": fmt.Sprintf("Said %d things", heard)})
			say(conn, "Goodbye!")
			conn.WriteJSON(object{"type": "end"})
		default:
			heard++
			say(conn, strings.TrimSuffix("I hear you, "+name, ", ")+". What is your e-mail address?")
		}
	}
}

// listen does what events ask for, one after the other, until the socket is lost. An event is
// acknowledged when it is done: what is not comes again.
func listen(url, key string) error {
	conn, _, err := websocket.DefaultDialer.Dial(url+"/v1/events?consumer=go-example", http.Header{"Authorization": {"Bearer " + key}})
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetPingHandler(func(data string) error { // one comes every 25 seconds
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		return conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
	})
	var later []message // events that came while a result was awaited
	for {
		var m message
		if len(later) > 0 {
			m, later = later[0], later[1:]
		} else if err := conn.ReadJSON(&m); err != nil {
			return err
		}
		log.Print(m.Type, " ", m.CallSID, m.MessageSID)
		if m.Type == "sms.received" {
			text := fmt.Sprintf("Thank you. You wrote: %.200s", m.Text)
			if err := conn.WriteJSON(object{"type": "ringside.send_sms", "id": m.Cursor, "message_sid": m.MessageSID, "text": text}); err != nil {
				return err
			}
			var result message
			for result.Type != "ringside.result" || result.ID != m.Cursor {
				if result.Type != "" && result.Type != "ringside.result" {
					later = append(later, result)
				}
				result = message{}
				if err := conn.ReadJSON(&result); err != nil {
					return err
				}
			}
			if result.Code == "unavailable" || result.Code == "busy" {
				return fmt.Errorf("not done: %s", result.Code) // after a reconnect it comes again
			}
		}
		if m.Cursor != "" && m.Type != "hello" {
			if err := conn.WriteJSON(object{"type": "ack", "cursor": m.Cursor}); err != nil {
				return err
			}
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:9000"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on ws://%s/agent\n", listener.Addr())
	if key := os.Getenv("RINGSIDE_KEY"); key != "" {
		go func() {
			for ; ; time.Sleep(time.Second) {
				log.Print("events: ", listen(os.Getenv("RINGSIDE_URL"), key))
			}
		}()
	}
	http.HandleFunc("/agent", converse)
	log.Fatal(http.Serve(listener, nil))
}
