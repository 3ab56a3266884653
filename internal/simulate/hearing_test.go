package simulate

import "testing"

func TestHearing(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]capture{
		"My name is Sam.":                                       {"Sam", ""},
		"my name is sam lee and I need help":                    {"Sam Lee", ""},
		"My name’s Ana María de Souza":                          {"Ana María de Souza", ""},
		"I'm Sam, sam@example.com.":                             {"Sam", "sam@example.com"},
		"This is Dr. Lee":                                       {"Dr", ""},
		"I'm calling about an order":                            {"", ""},
		"This is about Sam":                                     {"", ""},
		"Please call me back":                                   {"", ""},
		"Call me Sam":                                           {"Sam", ""},
		"I am looking for someone at the office":                {"", ""},
		"It is Sam.Lee+Shop@Mail.Example.co.uk, thanks":         {"", "sam.lee+shop@mail.example.co.uk"},
		"my mail is sam dot lee at example dot com":             {"", "sam.lee@example.com"},
		"sam underscore l at my dash shop dot co dot uk thanks": {"", "sam_l@my-shop.co.uk"},
		"sam at example":                                        {"", ""},
		"look at me dot com":                                    {"", "look@me.com"},
		"call me at work dot com":                               {"", ""},
		"My name is Sam and sam at acme.io":                     {"Sam", ""},
		"My name is 42":                                         {"", ""},
		"at dot":                                                {"", ""},
		"":                                                      {"", ""},
	} {
		if got := (capture{hearName(said), hearEmail(said)}); got != want {
			t.Errorf("%q: heard %q, want %q", said, got, want)
		}
	}
}

func FuzzHearing(f *testing.F) {
	f.Add("My name is Sam and my e-mail is sam dot lee at example dot com")
	f.Add("a dot at dot at b dot")
	f.Fuzz(func(t *testing.T, said string) {
		hearName(said)
		if email := hearEmail(said); email != "" && (email[0] == '@' || email[len(email)-1] == '@') {
			t.Errorf("hearEmail(%q) = %q", said, email)
		}
	})
}

func FuzzAgentMessage(f *testing.F) {
	f.Add([]byte(`{"type":"text","token":"Hello","last":true}`))
	f.Add([]byte(`{"type":"end","handoffData":"{}"}`))
	f.Add([]byte(`{"type":null}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		m, err := readAgentMessage(frame)
		if err == nil && m.Type == "" {
			t.Errorf("readAgentMessage(%q) took a message without a type", frame)
		}
	})
}
