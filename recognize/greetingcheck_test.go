package recognize_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ringside/recognize"
)

func TestAdviceOnGreetings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		greeting string
		kind     recognize.AdviceKind
		part     string
		says     string // a part of the sentence
	}{
		{"Hello {{FIRSTNAME}}!", recognize.UnknownToken, "{{FIRSTNAME}}", "write {{FIRST_NAME}}."},
		{"Hello {{first name}}!", recognize.UnknownToken, "{{first name}}", "write {{FIRST_NAME}}."},
		{"Hello {{VORNAME}}!", recognize.UnknownToken, "{{VORNAME}}", "write {{FIRST_NAME}}."},
		{"Hello {{FRIST_NAME}}!", recognize.UnknownToken, "{{FRIST_NAME}}", "write {{FIRST_NAME}}."},
		{"Hello {{NAM}}!", recognize.UnknownToken, "{{NAM}}", "write {{NAME}}."},
		{"Hello {{customer_name|friend}}!", recognize.UnknownToken, "{{customer_name|friend}}", "write {{NAME|friend}}."},
		{"Hello {{}}!", recognize.UnknownToken, "{{}}", "write {{NAME}}."},
		{"Hello <<CALLER>>!", recognize.UnknownToken, "<<CALLER>>", "write {{NAME}}."},
		{"Hello {{NAME, how are you?", recognize.UnclosedToken, "{{NAME, how are you?", "write }}"},
		{"Hello {{NAME, {{NAME}}!", recognize.UnclosedToken, "{{NAME, ", "write }}"},
		{"Hello <<NAME!", recognize.UnclosedToken, "<<NAME!", "write >>"},
		{"Hello!", recognize.NoPlaceForName, "", "write {{NAME}}"},
		{"", recognize.NoPlaceForName, "", "write {{NAME}}"},
		{"{{NAME}}!", recognize.AwkwardWithout, "{{NAME}}!", "hears nothing"},
		{"Hello. Is this {{NAME}}?", recognize.AwkwardWithout, "Is this {{NAME}}?", "“Is this?”"},
		{"Are you {{NAME}}?", recognize.AwkwardWithout, "Are you {{NAME}}?", "“Are you?”"},
		{"Welcome. {{NAME}}'s account is ready.", recognize.AwkwardWithout, "{{NAME}}'s account is ready.", "ready"},
		{"I have {{NAME}}’s file here.", recognize.AwkwardWithout, "I have {{NAME}}’s file here.", "here"},
		{"Dear {{NAME}}, welcome!", recognize.AwkwardWithout, "Dear {{NAME}}, welcome!", "“Dear, welcome!”"},
		{"Hello Mr. {{NAME}}, welcome.", recognize.AwkwardWithout, "Hello Mr. {{NAME}}, welcome.", "{{NAME|there}}"},
		{"Guten Tag Frau {{NAME}}.", recognize.AwkwardWithout, "Guten Tag Frau {{NAME}}.", "{{NAME|there}}"},
		{"Am I speaking with {{NAME}}?", recognize.AwkwardWithout, "Am I speaking with {{NAME}}?", "“Am I speaking with?”"},
		{"Thanks to {{NAME}} for calling.", recognize.AwkwardWithout, "Thanks to {{NAME}} for calling.", "unknown callers"},
		{"{{NAME}} is a valued customer.", recognize.AwkwardWithout, "{{NAME}} is a valued customer.", "“Is a valued customer.”"},
	} {
		advice := recognize.CheckGreeting(tt.greeting)
		if len(advice) != 1 || advice[0].Kind != tt.kind || advice[0].Part != tt.part || !strings.Contains(advice[0].Text, tt.says) {
			t.Errorf("CheckGreeting(%q) = %+v, want %s of %q that says %q", tt.greeting, advice, tt.kind, tt.part, tt.says)
		}
	}
	if advice := recognize.CheckGreeting("Is this {{NAME}}? Dear {{NAME}}, welcome! Bye {{NAME}}."); len(advice) != 2 {
		t.Errorf("two sentences of three read badly: %+v", advice)
	}
	if advice := recognize.CheckGreeting("Hi {{NAM}} and {{MANE}}"); len(advice) != 2 {
		t.Errorf("each unknown token is named: %+v", advice)
	}
}

func TestNoAdviceOnGoodGreetings(t *testing.T) {
	t.Parallel()
	for _, greeting := range []string{
		"Hello {{NAME}}, how can I help?", "Hello, {{NAME}}!", "Welcome back {{FIRST_NAME}}. How are you?", "How are you, {{NAME}}?", "How are you {{NAME}}?",
		"{{NAME}}, how are you?", "{{NAME}}! Welcome back.", "Is this {{NAME|the account holder}}?", "Dear {{NAME|customer}}, welcome.", "Thank you for calling Acme, {{NAME}}.",
		"Hello {{NAME}} and welcome.", "Good morning, Sir {{NAME}}.", "This is Acme. Hi {{NAME}}, is this a good time?", "¡Hola {{NAME}}!", "¡{{NAME}}! Hola.",
		"Acme.com here, {{NAME}}.", "{{NAME}} is this a good time?", "<<NAME>>, hi", "Hello ({{NAME}})!", "Hello “{{NAME}}”, hi", "您好，{{NAME}}。有什么可以帮您？",
	} {
		if advice := recognize.CheckGreeting(greeting); advice != nil {
			t.Errorf("CheckGreeting(%q) = %+v, want none", greeting, advice)
		}
	}
}

func TestAdviceWithAGreetingForUnknownCallers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		greeting, unknown         string
		ofGreeting, ofUnknownKind recognize.AdviceKind
	}{
		{"Is this {{NAME}}?", "", recognize.AwkwardWithout, ""},
		{"Is this {{NAME}}?", "Hello, who is calling?", "", ""},
		{"Hello!", "Hello.", recognize.NoPlaceForName, ""},
		{"Hello {{NAME}}!", "Hello {{NAME}}!", "", recognize.NeverNamed},
		{"Hello {{NAME}}!", "Hello {{NAM}}!", "", recognize.UnknownToken},
		{"Hello {{NAM}}!", "Hello.", recognize.UnknownToken, ""},
	} {
		ofGreeting, ofUnknown := recognize.CheckGreetings(tt.greeting, tt.unknown)
		for _, is := range []struct {
			advice []recognize.Advice
			want   recognize.AdviceKind
		}{{ofGreeting, tt.ofGreeting}, {ofUnknown, tt.ofUnknownKind}} {
			if len(is.advice) == 0 && is.want == "" || len(is.advice) == 1 && is.advice[0].Kind == is.want {
				continue
			}
			t.Errorf("CheckGreetings(%q, %q): %+v, want %q", tt.greeting, tt.unknown, is.advice, is.want)
		}
	}
}

// anyGreeting makes greetings of what matters in them.
var anyGreeting = rapid.Custom(func(t *rapid.T) string {
	piece := rapid.SampledFrom([]string{"{{NAME}}", "{{FIRST_NAME}}", "{{NAME|there}}", "{{NAM}}", "<<NAME>>", "{{", "}}", "<<", ">>", "|", " ", ". ", ", ", "? ", "! ", "'s", "\n",
		"Hello", "is", "this", "to", "Dear", "Mr.", "¡", "。", "(", ")", "“", "”", "é"})
	return strings.Join(rapid.SliceOfN(rapid.OneOf(piece, piece, rapid.String()), 0, 12).Draw(t, "pieces"), "")
})

// What is refused is what there is fatal advice on, and advice is about what stands in the greeting.
func TestAdviceAgreesWithWhatIsRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		greeting := anyGreeting.Draw(t, "greeting")
		_, err := recognize.ParseGreeting(greeting)
		fatal := false
		for _, a := range recognize.CheckGreeting(greeting) {
			fatal = fatal || a.Fatal()
			if !strings.Contains(greeting, a.Part) || a.Text == "" {
				t.Errorf("%+v is not about %q", a, greeting)
			}
		}
		if fatal != (err != nil) {
			t.Errorf("ParseGreeting(%q): %v, and fatal advice: %t", greeting, err, fatal)
		}
	})
}

// Whoever follows the advice gets no more of it: with something to say instead, no sentence misses the name.
func TestAWordInsteadOfTheNameIsEnough(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		greeting := anyGreeting.Draw(t, "greeting")
		greeting = strings.NewReplacer("{{NAME}}", "{{NAME|you}}", "{{FIRST_NAME}}", "{{FIRST_NAME|you}}", "<<NAME>>", "<<NAME|you>>").Replace(greeting)
		for _, a := range recognize.CheckGreeting(greeting) {
			if a.Kind == recognize.AwkwardWithout && strings.Contains(a.Part, "|you") && !strings.Contains(strings.ReplaceAll(a.Part, "|you", ""), "{{name}}") {
				t.Errorf("CheckGreeting(%q): %+v", greeting, a)
			}
		}
	})
}

// A name between what opens and what ends a greeting may be missing.
func TestGreetingsOfUsualFormReadWell(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		greeting := rapid.SampledFrom([]string{"Hello", "Hi", "Welcome back", "Good morning", "Thanks for calling", "Hola", "Guten Tag"}).Draw(t, "opening") +
			rapid.SampledFrom([]string{" ", ", "}).Draw(t, "joint") + rapid.SampledFrom([]string{"{{NAME}}", "{{FIRST_NAME}}", "<<name>>"}).Draw(t, "token") +
			rapid.SampledFrom([]string{"!", ".", ", how can I help?", ". How can I help?", " and welcome!", ""}).Draw(t, "end")
		if advice := recognize.CheckGreeting(greeting); advice != nil {
			t.Errorf("CheckGreeting(%q) = %+v", greeting, advice)
		}
	})
}
