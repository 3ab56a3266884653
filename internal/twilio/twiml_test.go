package twilio_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/twilio"
)

// element is a parsed piece of XML, for comparing what documents say and not how they are spelled.
type element struct {
	Name     string
	Attrs    map[string]string
	Text     string
	Children []element
}

func parseXML(tb testing.TB, document []byte) element {
	tb.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(document))
	root := element{}
	open := []*element{&root}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			tb.Fatalf("parse %q: %v", document, err)
		}
		top := open[len(open)-1]
		switch x := token.(type) {
		case xml.StartElement:
			e := element{Name: x.Name.Local, Attrs: map[string]string{}}
			for _, a := range x.Attr {
				if _, twice := e.Attrs[a.Name.Local]; twice {
					tb.Fatalf("%q: attribute %s twice", document, a.Name.Local)
				}
				e.Attrs[a.Name.Local] = a.Value
			}
			top.Children = append(top.Children, e)
			open = append(open, &top.Children[len(top.Children)-1])
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 1 { // the line break after the XML declaration is no content
				top.Text += string(x)
			}
		}
	}
	if len(root.Children) != 1 || root.Children[0].Name != "Response" {
		tb.Fatalf("%q is not one <Response>", document)
	}
	return root.Children[0]
}

func TestDocument(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		build func(d *twilio.Document)
		want  string // after the XML declaration
	}{
		{"empty", func(*twilio.Document) {}, `<Response/>`},
		{"say", func(d *twilio.Document) { d.Say("Hello", "", "") }, `<Response><Say>Hello</Say></Response>`},
		{"say in a voice", func(d *twilio.Document) { d.Say("¡Hola!", "es-ES", "Polly.Lucia") },
			`<Response><Say language="es-ES" voice="Polly.Lucia">¡Hola!</Say></Response>`},
		{"play", func(d *twilio.Document) { d.Play("https://h.example.com/a.mp3?a=1&b=2") },
			`<Response><Play>https://h.example.com/a.mp3?a=1&amp;b=2</Play></Response>`},
		{"pause", func(d *twilio.Document) { d.Pause(2); d.Pause(0); d.Pause(-1) }, `<Response><Pause length="2"/></Response>`},
		{"hangup", (*twilio.Document).Hangup, `<Response><Hangup/></Response>`},
		{"reject", func(d *twilio.Document) { d.Reject("") }, `<Response><Reject/></Response>`},
		{"redirect", func(d *twilio.Document) { d.Redirect("https://h.example.com/v") },
			`<Response><Redirect>https://h.example.com/v</Redirect></Response>`},
		{"dial", func(d *twilio.Document) {
			d.Dial(twilio.Dial{Number: "+12125550144", CallerID: "+12125550199", Action: "/after", TimeoutSeconds: 20})
		}, `<Response><Dial action="/after" timeout="20" callerId="+12125550199"><Number>+12125550144</Number></Dial></Response>`},
		{"dial with defaults", func(d *twilio.Document) { d.Dial(twilio.Dial{Number: "+12125550144"}) },
			`<Response><Dial><Number>+12125550144</Number></Dial></Response>`},
		{"relay", func(d *twilio.Document) {
			d.Connect("", twilio.Relay{URL: "wss://h.example.com/r"})
		}, `<Response><Connect><ConversationRelay url="wss://h.example.com/r"/></Connect></Response>`},
		{"relay with everything", func(d *twilio.Document) {
			d.Connect("https://h.example.com/after", twilio.Relay{
				URL: "wss://h.example.com/r", WelcomeGreeting: `"Hi" <Jane> & 'co'`,
				Attributes: []twilio.Attribute{{"language", "en-US"}, {"dtmfDetection", "true"}, {"hints", ""}},
				Parameters: []twilio.Parameter{{"ctx", "k3v9"}, {"empty", ""}},
			})
			d.Hangup()
		}, `<Response><Connect action="https://h.example.com/after"><ConversationRelay url="wss://h.example.com/r" ` +
			`welcomeGreeting="&quot;Hi&quot; &lt;Jane&gt; &amp; 'co'" language="en-US" dtmfDetection="true">` +
			`<Parameter name="ctx" value="k3v9"/><Parameter name="empty" value=""/></ConversationRelay></Connect><Hangup/></Response>`},
		{"relay attributes that are not settings", func(d *twilio.Document) {
			d.Connect("", twilio.Relay{URL: "wss://h.example.com/r", Attributes: []twilio.Attribute{
				{"url", "wss://evil.example.com"}, {"welcomeGreeting", "x"}, {`a="" b`, "x"}, {"", "x"}, {"speechTimeout", "auto"},
			}})
		}, `<Response><Connect><ConversationRelay url="wss://h.example.com/r" speechTimeout="auto"/></Connect></Response>`},
		{"stream", func(d *twilio.Document) {
			d.ConnectStream("", twilio.Stream{URL: "wss://h.example.com/s"})
		}, `<Response><Connect><Stream url="wss://h.example.com/s"/></Connect></Response>`},
		{"stream with everything", func(d *twilio.Document) {
			d.Say("Hi <Jane>", "en-US", "")
			d.ConnectStream("https://h.example.com/after?a=1&b=2", twilio.Stream{URL: "wss://h.example.com/s", StatusCallback: "https://h.example.com/status",
				Parameters: []twilio.Parameter{{"ctx", `"k3v9"`}, {"empty", ""}}})
		}, `<Response><Say language="en-US">Hi &lt;Jane&gt;</Say><Connect action="https://h.example.com/after?a=1&amp;b=2"><Stream url="wss://h.example.com/s" ` +
			`statusCallback="https://h.example.com/status"><Parameter name="ctx" value="&quot;k3v9&quot;"/><Parameter name="empty" value=""/></Stream></Connect></Response>`},
		{"verbs in order", func(d *twilio.Document) { d.Say("a", "", ""); d.Pause(1); d.Say("b", "", ""); d.Hangup() },
			`<Response><Say>a</Say><Pause length="1"/><Say>b</Say><Hangup/></Response>`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var d twilio.Document
			tt.build(&d)
			got := string(d.Bytes())
			if diff := cmp.Diff("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"+tt.want, got); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
			parseXML(t, []byte(got))
			if again := string(d.Bytes()); again != got {
				t.Errorf("asked again, the document is %q", again)
			}
		})
	}
}

// The samples are written as Twilio documents them, with attributes in any order.
func TestDocumentSaysWhatTheSamplesSay(t *testing.T) {
	t.Parallel()
	tests := map[string]func(d *twilio.Document){
		"twiml_empty.xml":  func(*twilio.Document) {},
		"twiml_reject.xml": func(d *twilio.Document) { d.Reject("busy") },
		"twiml_handoff_dial.xml": func(d *twilio.Document) {
			d.Say("Connecting you to a person.", "", "")
			d.Dial(twilio.Dial{Number: "+12125550144", Action: "https://sidecar.example.com/twilio/voice/dial-done", TimeoutSeconds: 20})
		},
		"twiml_connect_relay.xml": func(d *twilio.Document) {
			d.Connect("https://sidecar.example.com/twilio/voice/after", twilio.Relay{
				URL: "wss://sidecar.example.com/twilio/relay", WelcomeGreeting: "Hello Jane, how can I help?",
				Attributes: twilio.RelaySettings{"dtmfDetection": "true"}.Attributes(""),
				Parameters: []twilio.Parameter{{Name: "ctx", Value: "k3v9Qh2mT0aZ"}},
			})
		},
	}
	for file, build := range tests {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			var d twilio.Document
			build(&d)
			if diff := cmp.Diff(parseXML(t, readTestdata(t, file)), parseXML(t, d.Bytes())); diff != "" {
				t.Errorf("document (-sample +got):\n%s", diff)
			}
		})
	}
}

func TestDocumentBytesBelongToTheCaller(t *testing.T) {
	t.Parallel()
	var d twilio.Document
	d.Say("first", "", "")
	early := d.Bytes()
	want := string(early)
	d.Say("second", "", "")
	if string(early) != want {
		t.Errorf("a later verb changed earlier bytes to %q", early)
	}
	clear(early)
	if got := string(d.Bytes()); !strings.Contains(got, "<Say>first</Say><Say>second</Say>") {
		t.Errorf("writing to the bytes changed the document to %q", got)
	}
}

func TestRule09_TextIsEscapedForXML(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, inText, inAttribute string }{
		{`<Hangup/>`, `&lt;Hangup/&gt;`, `&lt;Hangup/&gt;`},
		{`"/><Hangup/>`, `"/&gt;&lt;Hangup/&gt;`, `&quot;/&gt;&lt;Hangup/&gt;`},
		{`O'Neil & Sons]]>`, `O'Neil &amp; Sons]]&gt;`, `O'Neil &amp; Sons]]&gt;`},
		{"a\tb\nc\rd", "a\tb\nc&#13;d", "a&#9;b&#10;c&#13;d"},
		{"nul\x00 esc\x1b", "nul\uFFFD esc\uFFFD", "nul\uFFFD esc\uFFFD"},
		{"cut \xe4\xbd", "cut \uFFFD\uFFFD", "cut \uFFFD\uFFFD"},
		{"\uFFFE\uFFFF\uFFFD", "\uFFFD\uFFFD\uFFFD", "\uFFFD\uFFFD\uFFFD"},
		{"你好 👋", "你好 👋", "你好 👋"},
		{"&amp;", "&amp;amp;", "&amp;amp;"},
	}
	for _, tt := range tests {
		var d twilio.Document
		d.Say(tt.text, tt.text, "")
		want := `<Say language="` + tt.inAttribute + `">` + tt.inText + `</Say>`
		if got := string(d.Bytes()); !strings.Contains(got, want) {
			t.Errorf("%q is written as %q, want %q in it", tt.text, got, want)
		}
	}
}

// FuzzRule09_GreetingSurvivesXML reads any text back from wherever a document can hold it.
func FuzzRule09_GreetingSurvivesXML(f *testing.F) {
	for _, seed := range []string{"", "Hello Jane, how can I help?", `</Say><Hangup/>`, `" onload="`, "a\r\nb\tc", "\x00\xff\uFFFE", "]]>", "&#0;", "👋"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d twilio.Document
		d.Say(text, text, text)
		d.Play(text)
		d.Redirect(text)
		d.Reject(text)
		d.Dial(twilio.Dial{Number: text, CallerID: text, Action: text})
		d.Connect(text, twilio.Relay{URL: text, WelcomeGreeting: text,
			Attributes: []twilio.Attribute{{"voice", text}}, Parameters: []twilio.Parameter{{text, text}}})

		want := strings.Map(xmlCharacter, text)
		optional := func(names ...string) map[string]string {
			attrs := map[string]string{}
			for _, name := range names {
				if text != "" {
					attrs[name] = want
				}
			}
			return attrs
		}
		relay := optional("welcomeGreeting", "voice")
		relay["url"] = want
		wantDocument := element{Name: "Response", Attrs: map[string]string{}, Children: []element{
			{Name: "Say", Attrs: optional("language", "voice"), Text: want},
			{Name: "Play", Attrs: optional(), Text: want},
			{Name: "Redirect", Attrs: optional(), Text: want},
			{Name: "Reject", Attrs: optional("reason")},
			{Name: "Dial", Attrs: optional("action", "callerId"), Children: []element{
				{Name: "Number", Attrs: optional(), Text: want},
			}},
			{Name: "Connect", Attrs: optional("action"), Children: []element{
				{Name: "ConversationRelay", Attrs: relay, Children: []element{
					{Name: "Parameter", Attrs: map[string]string{"name": want, "value": want}},
				}},
			}},
		}}
		if diff := cmp.Diff(wantDocument, parseXML(t, d.Bytes())); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	})
}

// xmlCharacter returns r, or U+FFFD where XML 1.0 has no such character ("Char").
func xmlCharacter(r rune) rune {
	switch {
	case r == 0x9, r == 0xA, r == 0xD, 0x20 <= r && r <= 0xD7FF, 0xE000 <= r && r <= 0xFFFD, 0x10000 <= r:
		return r
	}
	return 0xFFFD
}
