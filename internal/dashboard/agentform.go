package dashboard

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/internal/twilio"
	"ringside/recognize"
)

// agentPage adds or edits a voice agent. Who may only look sees the same, and can change nothing.
type agentPage struct {
	frame
	Form      form
	Agent     *org.Agent // nil: a new one
	Hears     hears
	Numbers   []org.Connected
	HasSecret bool
	TypeAgain bool   // a secret was typed, and is not sent back
	Probe     *Probe // what a trial connection has just found
}

func (*agentPage) template() string { return "agent" }

// agentFields are the fields of the form, whose problems stand beside them.
var agentFields = []string{"name", "greeting", "unknown_greeting", "language", "runtime_url", "runtime_secret", "min_attestation", "fallback_number", "apology", "transport",
	"ttsProvider", "voice", "transcriptionProvider", "speechModel", "interruptible", "hints", "relay_settings"}

// relayFields are the settings of ConversationRelay that have fields of their own.
var relayFields = []string{"ttsProvider", "voice", "transcriptionProvider", "speechModel", "interruptible", "hints"}

// General is what is wrong with none of the fields.
func (p *agentPage) General() string { return p.Form.General(agentFields...) }

// Details are what an agent may be told of a caller, as people call it.
func (*agentPage) Details() []option {
	return []option{
		{string(org.DetailName), "Their name"}, {string(org.DetailEmail), "Their e-mail address"}, {string(org.DetailTags), "Their tags"}, {string(org.DetailNotes), "The notes about them"},
		{string(org.DetailCampaign), "The campaign that called them"}, {string(org.DetailHistory), "Their earlier calls and messages"},
	}
}

// Attestations are the thresholds in plain words (STIR/SHAKEN).
func (*agentPage) Attestations() []option {
	return []option{
		{"", "Everybody, unless the number failed verification"},
		{"C", "C: a phone company let the call in and marked it"},
		{"B", "B: a phone company knows who placed the call"},
		{"A", "A: the caller's phone company vouches for the number"},
	}
}

// Transports are how a call reaches the program.
func (*agentPage) Transports() []option {
	return []option{{org.TransportRelay, "As text (ConversationRelay)"}, {org.TransportStream, "As sound (Media Streams)"},
		{org.TransportDirect, "As sound, from Twilio straight to the program"}}
}

// Speakers and Listeners are the services that speak and understand, Interruptions what stops the agent's speech.
func (*agentPage) Speakers() []option {
	return []option{{"", "Twilio's choice"}, {"ElevenLabs", "ElevenLabs"}, {"Google", "Google"}, {"Amazon", "Amazon"}}
}

// Listeners are the services that understand what is said.
func (*agentPage) Listeners() []option {
	return []option{{"", "Twilio's choice"}, {"Deepgram", "Deepgram"}, {"Google", "Google"}}
}

// Interruptions are what may stop the agent while it speaks.
func (*agentPage) Interruptions() []option {
	return []option{{"", "Twilio's choice"}, {"any", "Speech and keys"}, {"speech", "Speech"}, {"dtmf", "Keys"}, {"none", "Nothing"}}
}

// agentPage returns the page of an agent, or of a new one (nil), with a form.
func (v *visit) agentPage(a *org.Agent, f form) (*agentPage, error) {
	p := &agentPage{frame: frame{Title: "Add a voice agent", Here: "agents", Wide: true}, Form: f, Agent: a, Hears: hearing(lines(f.Get("greeting")), lines(f.Get("unknown_greeting")))}
	if a == nil {
		return p, nil
	}
	p.Title, p.HasSecret = a.Name, a.RuntimeSecret != ""
	numbers, err := v.Orgs.Numbers(v.r.Context(), v.org.ID)
	p.Numbers = leadingTo(a.ID, numbers)
	return p, err
}

// formOf fills the form with an agent's settings. The secret is not among them.
func formOf(a *org.Agent) form {
	values := url.Values{"name": {a.Name}, "greeting": {a.Greeting}, "unknown_greeting": {a.UnknownGreeting}, "language": {a.Language}, "runtime_url": {a.RuntimeURL},
		"min_attestation": {a.MinAttestation}, "fallback_number": {string(a.FallbackNumber)}, "apology": {a.Apology}, "transport": {a.Transport}, "seen": {a.UpdatedAt.Format(time.RFC3339Nano)}}
	if a.KeepTranscript {
		values.Set("keep_transcript", "1")
	}
	for _, d := range a.Tell {
		values.Add("tell", string(d))
	}
	var others []string
	for _, name := range slices.Sorted(maps.Keys(a.RelaySettings)) {
		if slices.Contains(relayFields, name) {
			values.Set(name, a.RelaySettings[name])
		} else {
			others = append(others, name+"="+a.RelaySettings[name])
		}
	}
	values.Set("relay_settings", strings.Join(others, "\n"))
	values.Set("was", values.Encode())
	return form{Values: values}
}

// beside makes of a form what was changed in it, beside what others have changed since it was opened: a field that is as
// it was then is as it is now.
func (f form) beside(now url.Values) {
	was, err := url.ParseQuery(f.Get("was"))
	if err != nil || !f.Values.Has("was") {
		return
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(was)), maps.Keys(now))
	for _, name := range names {
		if name == "seen" || name == "was" || !sameLines(f.Values[name], was[name]) {
			continue
		}
		if value, held := now[name]; held {
			f.Values[name] = value
		} else {
			delete(f.Values, name)
		}
	}
	f.Values["was"] = now["was"]
}

// sameLines compares what a browser has sent, whose line breaks are its own.
func sameLines(a, b []string) bool {
	return slices.EqualFunc(a, b, func(a, b string) bool { return lines(a) == lines(b) })
}

// agentFrom reads the form. What is not in it stays as it is in held.
func (v *visit) agentFrom(f form, held org.Agent) (a org.Agent, secret *string, err error) {
	a = held
	a.OrgID = v.org.ID
	a.Name, a.Greeting, a.UnknownGreeting = f.Get("name"), strings.TrimSpace(lines(f.Get("greeting"))), strings.TrimSpace(lines(f.Get("unknown_greeting")))
	a.Language, a.RuntimeURL = strings.TrimSpace(f.Get("language")), strings.TrimSpace(f.Get("runtime_url"))
	if f.Values.Has("transport") {
		a.Transport = f.Get("transport")
	}
	a.MinAttestation, a.Apology, a.KeepTranscript = f.Get("min_attestation"), strings.TrimSpace(lines(f.Get("apology"))), f.Has("keep_transcript", "1")
	a.Tell = []org.Detail{}
	for _, detail := range f.Values["tell"] {
		a.Tell = append(a.Tell, org.Detail(detail))
	}
	if typed := f.Get("runtime_secret"); typed != "" {
		secret = &typed
	} else if f.Has("remove_secret", "1") {
		secret = new(string)
	}
	if seen, err := time.Parse(time.RFC3339Nano, f.Get("seen")); err == nil {
		a.UpdatedAt = seen
	}
	if err := checkGreetings(a.Greeting, a.UnknownGreeting); err != nil {
		return a, nil, err
	}
	a.FallbackNumber = ""
	if typed := strings.TrimSpace(f.Get("fallback_number")); typed != "" {
		if a.FallbackNumber, err = phone.Parse(typed, v.org.Country); err != nil {
			return a, nil, problem.Invalid("fallback_number", "%s", err)
		}
	}
	a.RelaySettings, err = relaySettings(f)
	return a, secret, err
}

// checkGreetings refuses greetings that cannot be read; other advice is only shown.
func checkGreetings(greeting, unknown string) error {
	if greeting == "" {
		return problem.Invalid("greeting", "Write what callers hear first.")
	}
	ofGreeting, ofUnknown := recognize.CheckGreetings(greeting, unknown)
	for _, list := range []struct {
		field  string
		advice []recognize.Advice
	}{{"greeting", ofGreeting}, {"unknown_greeting", ofUnknown}} {
		for _, a := range list.advice {
			if a.Fatal() {
				return problem.Invalid(list.field, "%s", a.Text)
			}
		}
	}
	return nil
}

// relaySettings reads the settings of ConversationRelay, and refuses those that it has not.
func relaySettings(f form) (map[string]string, error) {
	settings := map[string]string{}
	for line := range strings.SplitSeq(lines(f.Get("relay_settings")), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, problem.Invalid("relay_settings", "%q has no = in it: write one setting on each line, such as dtmfDetection=true.", line)
		}
		settings[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	for _, name := range relayFields {
		if value := strings.TrimSpace(f.Get(name)); value != "" {
			settings[name] = value
		}
	}
	err := twilio.CheckRelaySettings(settings)
	if p, ok := asProblem(err); ok && !slices.Contains(relayFields, p.Field) {
		return nil, problem.Invalid("relay_settings", "%s", p.Detail)
	}
	return settings, err
}

func showNewAgent(v *visit) error {
	values := url.Values{"greeting": {"Hello {{NAME}}, how can I help you?"}, "language": {"en-US"}, "keep_transcript": {"1"}}
	for _, d := range org.Details() {
		values.Add("tell", string(d))
	}
	p, err := v.agentPage(nil, form{Values: values})
	if err != nil {
		return err
	}
	return v.ok(p)
}

func showAgent(v *visit) error {
	a, err := v.Orgs.Agent(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	p, err := v.agentPage(&a, formOf(&a))
	if err != nil {
		return err
	}
	return v.ok(p)
}

func addAgent(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	if f.Get("do") == "preview" {
		return v.agentAgain(nil, f, nil)
	}
	a, secret, err := v.agentFrom(f, org.Agent{})
	if err != nil {
		return v.agentAgain(err, f, nil)
	}
	if secret != nil {
		a.RuntimeSecret = *secret
	}
	if a, err = v.Orgs.CreateAgent(v.r.Context(), a); err != nil {
		return v.agentAgain(err, f, nil)
	}
	v.changed(a.ID, a.Name, nil)
	return v.goTo("/agents/"+a.ID, a.Name+" is there. Test the connection to its program, and let a phone number lead to it.")
}

func changeAgent(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	held, err := v.Orgs.Agent(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if f.Get("do") == "preview" {
		return v.agentAgain(nil, f, &held)
	}
	f.beside(formOf(&held).Values)
	a, secret, err := v.agentFrom(f, held)
	if err != nil {
		return v.agentAgain(err, f, &held)
	}
	changed, err := v.Orgs.ChangeAgent(v.r.Context(), a, secret)
	if p, ok := asProblem(err); ok && p.Code == problem.CodeConflict {
		// What they typed stays, and is saved if they say so again.
		f.Values.Set("seen", held.UpdatedAt.Format(time.RFC3339Nano))
		err = problem.New(problem.CodeConflict, "Somebody else changed this voice agent while you were editing. Below are your changes beside theirs; save again to keep them.")
	}
	if err != nil {
		return v.agentAgain(err, f, &held)
	}
	v.changed(changed.ID, changed.Name, nil)
	return v.goTo("/agents/"+changed.ID, "Saved. Calls that come in from now on are answered so.")
}

// agentAgain shows the form again, with what is wrong (nil: nothing is).
func (v *visit) agentAgain(err error, f form, a *org.Agent) error {
	typed := f.Get("runtime_secret") != ""
	f.hush()
	p, pageErr := v.agentPage(a, f)
	if pageErr != nil {
		return errors.Join(err, pageErr)
	}
	p.TypeAgain = typed
	if err == nil {
		return v.show(http.StatusOK, p)
	}
	return v.again(err, &p.Form, p)
}
