package simulate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Receptionist is a [Behaviour]: a small agent that takes calls by simple rules where a real one
// has a language model. It uses what the sidecar tells it about the caller, asks for a name and an
// e-mail address and has them captured, hands over to a person when asked, and leaves a summary
// when the caller says goodbye.
func Receptionist(session *AgentSession, msg Message) {
	d, ok := session.Memory.(*desk)
	if !ok {
		d = &desk{captures: map[string]capture{}}
		session.Memory = d
	}
	switch msg.Type {
	case "setup":
		setup, _ := session.Setup()
		d.brief(setup.Caller, setup.CustomParameters)
	case "ringside.context":
		var late struct {
			Caller Caller `json:"caller"`
		}
		if msg.Decode(&late) == nil {
			d.brief(late.Caller, nil)
		}
	case "prompt":
		if msg.Last {
			d.answer(session, msg.VoicePrompt)
		}
	case "dtmf":
		session.Reply("You pressed " + msg.Digit + ".")
	case "ringside.result":
		d.confirm(session, msg)
	}
}

// desk is what the receptionist has before them during one call. Sends that fail are not looked
// at: the connection is gone then, and so is the caller.
type desk struct {
	name, email, notes string
	context            string // the block of text that a real agent would put in its prompt
	history            []PastContact
	captures           map[string]capture // asked for, by the tool message's id
	happened           []string           // for the summary
}

// capture is what the caller told of themselves.
type capture struct{ name, email string }

// brief takes in what the sidecar says of the caller: the parameters where there are any, as an
// agent that knows nothing of the caller object would.
func (d *desk) brief(c Caller, parameters map[string]string) {
	d.name = strings.TrimSpace(first(parameters["caller_name"], c.Name))
	d.email = first(parameters["caller_email"], c.Email)
	d.notes = first(parameters["caller_notes"], c.Notes)
	d.context = parameters["caller_context"]
	d.history = c.History
}

// answer answers what the caller said, by the first rule that fits.
func (d *desk) answer(s *AgentSession, said string) {
	told := capture{name: hearName(said), email: hearEmail(said)}
	switch {
	case mentions(said, "not me", "wrong person"), d.name != "" && mentions(said, "not "+strings.Fields(strings.ToLower(d.name))[0]):
		d.forget(s)
	case mentions(said, "a person", "a human", "somebody", "someone", "transfer"):
		d.happened = append(d.happened, "asked for a person")
		s.Reply("I am putting you through to a person.")
		s.End(`{"reasonCode":"live-agent-handoff","reason":"asked for a person"}`)
	case told != (capture{}):
		d.write(s, told)
	case mentions(said, "who am i", "know me", "know about me", "my notes", "my e-mail", "my email", "remember me"):
		d.happened = append(d.happened, "asked what we know")
		s.Reply(d.recall())
	case mentions(said, "goodbye", "good bye", "bye", "that's all", "that is all"):
		d.sayGoodbye(s)
	default:
		d.happened = append(d.happened, fmt.Sprintf("said %q", oneLine(said, 80)))
		s.Reply("I have understood: " + strings.TrimRight(said, ".!? ") +
			". Ask me what I know about you, or tell me your name and your e-mail address.")
	}
}

// recall says all that the receptionist knows about the caller.
func (d *desk) recall() string {
	if d.name == "" && d.email == "" && d.notes == "" && len(d.history) == 0 {
		return "I do not know you yet. What is your name, and what is your e-mail address?"
	}
	said := []string{"I do not know your name yet."}
	if d.name != "" {
		said[0] = "You are " + d.name + "."
	}
	if d.email != "" {
		said = append(said, "Your e-mail address is "+d.email+".")
	}
	if d.notes != "" {
		said = append(said, "My notes say: "+strings.TrimRight(d.notes, ".")+".")
	}
	if len(d.history) > 0 {
		last := slices.MaxFunc(d.history, func(a, b PastContact) int { return a.At.Compare(b.At) })
		text := fmt.Sprintf("Our last %s was on %s", cmp.Or(last.Kind, "contact"), last.At.UTC().Format("2 January 2006"))
		if last.Summary != "" {
			text += ": " + strings.TrimRight(last.Summary, ".")
		}
		said = append(said, text+".")
	}
	if d.context != "" {
		said = append(said, "All of this came with your call.")
	}
	return strings.Join(said, " ")
}

// write has the address book updated; the caller is answered when the result is there.
func (d *desk) write(s *AgentSession, told capture) {
	members := map[string]any{}
	if told.name != "" {
		members["name"] = told.name
	}
	if told.email != "" {
		members["email"] = told.email
	}
	d.happened = append(d.happened, "gave their name or e-mail address")
	id, err := s.Tool("ringside.capture_contact", members)
	if err == nil {
		d.captures[id] = told // its result is not read before this has returned
	}
}

// confirm reads back what was captured, and says so only of what was.
func (d *desk) confirm(s *AgentSession, msg Message) {
	told, ok := d.captures[msg.ID]
	if !ok {
		return // the result of a summary or of not_me
	}
	delete(d.captures, msg.ID)
	var result struct {
		OK            bool `json:"ok"`
		NeedsReadback bool `json:"needs_readback"`
		// Kept are the fields where the address book has something better already.
		Kept []string `json:"kept"`
	}
	if msg.Decode(&result) != nil || (!result.OK && !result.NeedsReadback) {
		s.Reply("I am sorry, I could not write that down. Could you say it again later?")
		return
	}
	if !result.OK {
		s.Reply("I may have misheard your e-mail address: " + told.email + ". Could you say it again?")
		return
	}
	d.name = first(told.name, d.name)
	text := "Thank you"
	if d.name != "" {
		text += ", " + d.name
	}
	switch {
	case told.email != "" && slices.Contains(result.Kept, "email"):
		text += ". I have another e-mail address for you, which stays as it is"
	case told.email != "":
		d.email = told.email
		text += ". I have your e-mail address as " + told.email
	}
	if result.NeedsReadback {
		text += ". Is that right"
		s.Reply(text + "?")
		return
	}
	s.Reply(text + ".")
}

// forget is for a caller who is not the person that the number belongs to.
func (d *desk) forget(s *AgentSession) {
	*d = desk{captures: d.captures, happened: append(d.happened, "said that they are somebody else")}
	s.Tool("ringside.not_me", nil)
	s.Reply("I am sorry. Who am I speaking with?")
}

func (d *desk) sayGoodbye(s *AgentSession) {
	summary := "Said goodbye."
	if len(d.happened) > 0 {
		summary = "The caller " + strings.Join(d.happened, ", then ") + "."
	}
	s.Tool("ringside.summary", map[string]any{"summary": summary})
	if d.name == "" {
		s.Reply("Goodbye.")
		return
	}
	s.Reply("Goodbye, " + d.name + ".")
}

// mentions tells whether any of the phrases is in what was said, as whole words.
func mentions(said string, phrases ...string) bool {
	said = strings.ToLower(strings.ReplaceAll(said, "’", "'"))
	words := " " + strings.Join(strings.FieldsFunc(said, notInWord), " ") + " "
	return slices.ContainsFunc(phrases, func(p string) bool { return strings.Contains(words, " "+p+" ") })
}
