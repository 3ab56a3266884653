package simulate

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// AgentSetup is the setup message as an agent runtime receives it: Twilio's, with the caller added.
type AgentSetup struct {
	Setup
	Caller Caller `json:"caller"`
	// HasCaller tells whether there was a caller object.
	HasCaller bool `json:"-"`
	// Raw is the message as it came.
	Raw json.RawMessage `json:"-"`
}

// Caller is what the sidecar tells the agent about who is calling.
type Caller struct {
	Known         bool            `json:"known"`
	Source        string          `json:"source"` // "contact" or "campaign"
	Name          string          `json:"name"`
	Email         string          `json:"email"`
	Tags          []string        `json:"tags"`
	Notes         string          `json:"notes"`
	Campaign      json.RawMessage `json:"campaign"`
	History       []PastContact   `json:"history"`
	GreetedByName bool            `json:"greeted_by_name"`
	Provisional   bool            `json:"provisional"`
}

// PastContact is an earlier call or message of the caller's.
type PastContact struct {
	At        time.Time `json:"at"`
	Kind      string    `json:"kind"`      // "call" or "message"
	Direction string    `json:"direction"` // "inbound" or "outbound"
	DurationS int       `json:"duration_s"`
	Summary   string    `json:"summary"`
}

// readAgentSetup decodes a setup message as far as it can be: an agent must not fall over what it
// does not understand.
func readAgentSetup(frame []byte) AgentSetup {
	setup := AgentSetup{Raw: frame}
	var members map[string]json.RawMessage
	if json.Unmarshal(frame, &members) != nil {
		return setup
	}
	json.Unmarshal(frame, &setup.Setup)
	if raw, ok := members["caller"]; ok {
		setup.HasCaller = true
		json.Unmarshal(raw, &setup.Caller)
	}
	return setup
}

// readAgentStart decodes the start message of Media Streams, which has the same of the caller.
func readAgentStart(frame []byte) AgentSetup {
	setup := AgentSetup{Raw: frame}
	var m struct {
		Start  StreamStart `json:"start"`
		Caller *Caller     `json:"caller"`
	}
	_ = json.Unmarshal(frame, &m) // what cannot be read is empty
	setup.SessionID, setup.CallSID, setup.AccountSID, setup.CustomParameters = m.Start.StreamSID, m.Start.CallSID, m.Start.AccountSID, m.Start.CustomParameters
	if m.Caller != nil {
		setup.HasCaller, setup.Caller = true, *m.Caller
	}
	return setup
}

// describe sums up what the agent knows of the caller.
func (c Caller) describe() string {
	if !c.Known {
		return "the caller is unknown"
	}
	parts := []string{first(c.Name, "(no name)")}
	if c.Source != "" {
		parts[0] += " (from the " + c.Source + "s)"
	}
	if c.Email != "" {
		parts = append(parts, "e-mail "+c.Email)
	}
	if len(c.Tags) > 0 {
		parts = append(parts, "tags "+strings.Join(c.Tags, ", "))
	}
	if c.Notes != "" {
		parts = append(parts, fmt.Sprintf("notes %q", c.Notes))
	}
	if n := len(c.History); n > 0 {
		parts = append(parts, fmt.Sprintf("history of %d", n))
	}
	return strings.Join(parts, "; ")
}
