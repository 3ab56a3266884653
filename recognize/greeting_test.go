package recognize_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"ringside/recognize"
)

// say renders a greeting for somebody, or for nobody ("").
func say(t *testing.T, greeting, name string) string {
	t.Helper()
	g, err := recognize.ParseGreeting(greeting)
	if err != nil {
		t.Fatalf("ParseGreeting(%q): %v", greeting, err)
	}
	return g.Render(name)
}

func TestRule09_WithoutANameTheSentenceReadsAsIfItHadNeverBeenThere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ greeting, named, unnamed string }{
		// In the middle.
		{"Hello {{NAME}}, how can I help?", "Hello Alex Chen, how can I help?", "Hello, how can I help?"},
		{"Hello, {{NAME}}, how can I help?", "Hello, Alex Chen, how can I help?", "Hello, how can I help?"},
		{"Hello, {{NAME}} how can I help?", "Hello, Alex Chen how can I help?", "Hello, how can I help?"},
		{"Hello {{NAME}} and welcome.", "Hello Alex Chen and welcome.", "Hello and welcome."},
		{"Hello,{{NAME}}, hi", "Hello,Alex Chen, hi", "Hello, hi"},
		{"Hello {{NAME}} , hi", "Hello Alex Chen , hi", "Hello, hi"},
		{"Hello {{NAME}}; thanks for calling.", "Hello Alex Chen; thanks for calling.", "Hello; thanks for calling."},
		{"Hello {{NAME}} - thanks for calling.", "Hello Alex Chen - thanks for calling.", "Hello - thanks for calling."},
		{"Hello {{NAME}}—thanks for calling.", "Hello Alex Chen—thanks for calling.", "Hello—thanks for calling."},
		{"Hello - {{NAME}} - how are you?", "Hello - Alex Chen - how are you?", "Hello - how are you?"},
		{"Hello, {{NAME}} — how are you?", "Hello, Alex Chen — how are you?", "Hello — how are you?"},
		{"Acme: {{NAME}}, how are you?", "Acme: Alex Chen, how are you?", "Acme: how are you?"},
		{"Hello: {{NAME}},, how are you?", "Hello: Alex Chen,, how are you?", "Hello: how are you?"},
		{"Is this {{NAME}}?", "Is this Alex Chen?", "Is this?"},
		{"Hello ({{NAME}})!", "Hello (Alex Chen)!", "Hello!"},
		{`"Hi" {{NAME}}, welcome`, `"Hi" Alex Chen, welcome`, `"Hi", welcome`},
		{`Hello "{{NAME}}", hi`, `Hello "Alex Chen", hi`, "Hello, hi"},
		{"Hello ({{NAME}}, our guest)!", "Hello (Alex Chen, our guest)!", "Hello (our guest)!"},
		{"He said “hello {{NAME}}” today", "He said “hello Alex Chen” today", "He said “hello” today"},
		// At the end.
		{"Welcome back, {{NAME}}!", "Welcome back, Alex Chen!", "Welcome back!"},
		{"Welcome back {{NAME}}!", "Welcome back Alex Chen!", "Welcome back!"},
		{"Welcome back {{NAME}}.", "Welcome back Alex Chen.", "Welcome back."},
		{"Welcome back, {{NAME}}", "Welcome back, Alex Chen", "Welcome back"},
		{"Welcome back {{NAME}}", "Welcome back Alex Chen", "Welcome back"},
		{"Welcome back — {{NAME}}.", "Welcome back — Alex Chen.", "Welcome back."},
		{"You are: {{NAME}}", "You are: Alex Chen", "You are"},
		{"So, {{NAME}}… hello.", "So, Alex Chen… hello.", "So… hello."},
		// At the start of a sentence.
		{"{{NAME}}, how can I help?", "Alex Chen, how can I help?", "How can I help?"},
		{"{{NAME}} - how can I help?", "Alex Chen - how can I help?", "How can I help?"},
		{"{{NAME}}! Welcome back.", "Alex Chen! Welcome back.", "Welcome back."},
		{"{{NAME}}?", "Alex Chen?", ""},
		{"{{NAME}} welcome", "Alex Chen welcome", "Welcome"},
		{"{{NAME}}, 3 calls wait", "Alex Chen, 3 calls wait", "3 calls wait"},
		{"{{NAME}}, “welcome”", "Alex Chen, “welcome”", "“Welcome”"},
		{"Hello! {{NAME}}, how can I help?", "Hello! Alex Chen, how can I help?", "Hello! How can I help?"},
		{"Hello. {{NAME}} how are you?", "Hello. Alex Chen how are you?", "Hello. How are you?"},
		{"Hello.{{NAME}}, how are you?", "Hello.Alex Chen, how are you?", "Hello. How are you?"},
		{"Hello. {{NAME}}? Are you there?", "Hello. Alex Chen? Are you there?", "Hello. Are you there?"},
		{"Hello!\n{{NAME}}, how are you?", "Hello!\nAlex Chen, how are you?", "Hello!\nHow are you?"},
		{"This is Acme\n{{NAME}}, hi", "This is Acme\nAlex Chen, hi", "This is Acme\nHi"},
		// All of it.
		{"{{NAME}}", "Alex Chen", ""},
		{" {{NAME}} ", "Alex Chen", ""},
		{"", "", ""},
		{"  Hello!  ", "Hello!", "Hello!"},
		{"Hello , friend", "Hello , friend", "Hello , friend"}, // what has no place is left alone
		// The tokens in other forms.
		{"Hello <<NAME>>, how are you?", "Hello Alex Chen, how are you?", "Hello, how are you?"},
		{"Hello {{name}}, <<Name>> and {{ NaMe }}!", "Hello Alex Chen, Alex Chen and Alex Chen!", "Hello, and!"},
		{"Hi {{FIRST_NAME}}!", "Hi Alex!", "Hi!"},
		{"Hi <<first_name>>!", "Hi Alex!", "Hi!"},
		{"Hi {{NAME|there}}!", "Hi Alex Chen!", "Hi there!"},
		{"Hi <<FIRST_NAME | dear  friend >>!", "Hi Alex!", "Hi dear  friend!"},
		{"{{NAME|friend}}, hi", "Alex Chen, hi", "friend, hi"},
		{"Hi {{NAME|}}, hi", "Hi Alex Chen, hi", "Hi, hi"},
		{"a }} b >> c", "a }} b >> c", "a }} b >> c"},
		// Several.
		{"Hello {{NAME}}! May I call you {{FIRST_NAME}}?", "Hello Alex Chen! May I call you Alex?", "Hello! May I call you?"},
		{"Hello {{NAME}} {{FIRST_NAME}}!", "Hello Alex Chen Alex!", "Hello!"},
		{"Hello, {{NAME}} {{FIRST_NAME}}, hi", "Hello, Alex Chen Alex, hi", "Hello, hi"},
		{"Hello {{NAME}} {{FIRST_NAME|friend}}!", "Hello Alex Chen Alex!", "Hello friend!"},
		{"Hello, {{NAME}}{{FIRST_NAME|friend}}!", "Hello, Alex ChenAlex!", "Hello, friend!"},
		{"{{NAME}}, {{NAME}}, wake up", "Alex Chen, Alex Chen, wake up", "Wake up"},
		{"{{NAME}}{{NAME}}", "Alex ChenAlex Chen", ""},
		// Other languages.
		{"¡Hola, {{NAME}}! ¿Cómo estás?", "¡Hola, Alex Chen! ¿Cómo estás?", "¡Hola! ¿Cómo estás?"},
		{"¡Hola {{NAME}}!", "¡Hola Alex Chen!", "¡Hola!"},
		{"Hola. ¿{{NAME}}, cómo estás?", "Hola. ¿Alex Chen, cómo estás?", "Hola. ¿Cómo estás?"},
		{"{{NAME}}, ¿cómo estás?", "Alex Chen, ¿cómo estás?", "¿Cómo estás?"},
		{"¡{{NAME}}! Bienvenido.", "¡Alex Chen! Bienvenido.", "Bienvenido."},
		{"Bonjour {{NAME}} !", "Bonjour Alex Chen !", "Bonjour !"},
		{"Bonjour, {{NAME}}\u00a0! Ça va ?", "Bonjour, Alex Chen\u00a0! Ça va ?", "Bonjour\u00a0! Ça va ?"},
		{"Bonjour {{NAME}}\u00a0!", "Bonjour Alex Chen\u00a0!", "Bonjour\u00a0!"},
		{"Guten Tag, {{NAME}}, wie geht's?", "Guten Tag, Alex Chen, wie geht's?", "Guten Tag, wie geht's?"},
		{"{{NAME}}, öffnen Sie bitte.", "Alex Chen, öffnen Sie bitte.", "Öffnen Sie bitte."},
		{"{{NAME}}, ǆamija", "Alex Chen, ǆamija", "ǅamija"},
		{"Здравствуйте, {{NAME}}! Чем помочь?", "Здравствуйте, Alex Chen! Чем помочь?", "Здравствуйте! Чем помочь?"},
		{"こんにちは、{{NAME}}。", "こんにちは、Alex Chen。", "こんにちは。"},
		{"こんにちは。{{NAME}}、お元気ですか？", "こんにちは。Alex Chen、お元気ですか？", "こんにちは。お元気ですか？"},
		{"こんにちは{{NAME|お客様}}！", "こんにちはAlex Chen！", "こんにちはお客様！"},
		{"你好，{{NAME}}！", "你好，Alex Chen！", "你好！"},
		{"مرحبا، {{NAME}}!", "مرحبا، Alex Chen!", "مرحبا!"},
		{"नमस्ते {{NAME}}।", "नमस्ते Alex Chen।", "नमस्ते।"},
	} {
		if got := say(t, tt.greeting, "Alex Chen"); got != tt.named {
			t.Errorf("%q says %q to Alex Chen, want %q", tt.greeting, got, tt.named)
		}
		if got := say(t, tt.greeting, ""); got != tt.unnamed {
			t.Errorf("%q says %q to nobody, want %q", tt.greeting, got, tt.unnamed)
		}
	}
}

func TestRule09_TheNameIsInsertedAsText(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"{{NAME}}", "<<NAME>>", "{{FIRST_NAME|x}}", "{{", "}}", `<Say>&"'</Say>`, "]]>", "&amp;", "$1", "%s", `\1`, "Ann, Bob", "名前", "a\u200db",
	} {
		if got, want := say(t, "Hello {{NAME}}, and <<NAME>>!", name), "Hello "+name+", and "+name+"!"; got != want {
			t.Errorf("the name %q is said as %q, want %q", name, got, want)
		}
	}
}

func TestGreetingsThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	for greeting, reason := range map[string]string{
		"Hello {{NAM}}!":            `"{{NAM}}"`,
		"Hello {{NAME!":             `an opening "{{" without a closing "}}"`,
		"Hello <<NAME}}!":           `an opening "<<" without a closing ">>"`,
		"Hello {{}}!":               `"{{}}"`,
		"Hello {{LAST_NAME|you}}!":  `"{{LAST_NAME|you}}"`,
		"Hello {{{NAME}}}!":         `"{{{NAME}}"`,
		"Hello {{NAME|<<NAME>>}}!":  `"{{NAME|<<NAME>>}}"`,
		"{{NAME}} and then {{name ": "without a closing",
	} {
		if _, err := recognize.ParseGreeting(greeting); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("ParseGreeting(%q): %v, want an error with %s", greeting, err, reason)
		}
	}
}

func TestNamedGreetings(t *testing.T) {
	t.Parallel()
	for greeting, want := range map[string]bool{"": false, "Hello!": false, "{{NAME}}": true, "Hi <<first_name|you>>!": true} {
		g, err := recognize.ParseGreeting(greeting)
		if err != nil || g.Named() != want {
			t.Errorf("%q is named: %v, %v; want %v", greeting, g.Named(), err, want)
		}
	}
}

func TestFirstName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Alex Chen": "Alex", "Alex": "Alex", "  Alex  Chen ": "Alex", "Chen, Alex": "Alex", "Chen, Alex Maria": "Alex", "Chen,": "Chen",
		"Dr. Alex Chen": "Alex", "dr alex chen": "alex", "Prof. Dr. Ada Lovelace": "Ada", "Señora Ana García": "Ana", "Mrs Jamie Lee": "Jamie",
		"Mr. Smith": "Mr. Smith", "Dr Who": "Dr Who", "Dr.": "Dr.", "Chen, Dr. Alex": "Alex", "Smith, Mr. John": "John",
		"Alex Chen, PhD": "Alex", "Alex Chen, M.D.": "Alex", "Alex Chen, Jr.": "Alex", "Acme, Inc.": "Acme",
		"Alex Chen, MD, PhD": "Alex", "Alex Chen, CEO": "Alex", "Alex Chen, Sales": "Alex Chen", "Garcia Lopez, Maria": "Garcia Lopez",
		"van der Berg, Jan": "Jan", "Chen, Alex, PhD": "Alex", "Chen,, Alex": "Chen", "Dr. Chen, Alex": "Dr. Chen",
		"Jean-Luc Picard": "Jean-Luc", "李小龙": "李小龙", "Martin Luther King": "Martin", "": "", " ": "", ",": "", ", Alex": "Alex",
	} {
		if got := recognize.FirstName(name); got != want {
			t.Errorf("FirstName(%q) = %q, want %q", name, got, want)
		}
	}
}

var (
	nameToken  = regexp.MustCompile(`(?i)(\{\{|<<)\s*NAME`)
	anyToken   = regexp.MustCompile(`(?i)\{\{\s*(FIRST_)?NAME|<<\s*(FIRST_)?NAME`)
	spacesPair = regexp.MustCompile(`[\p{Z}\s\x{85}]{2}`)
)

func FuzzRule09_Greeting(f *testing.F) {
	for _, greeting := range []string{
		"Hello {{NAME}}, how are you?", "Hello, <<NAME>>!", "{{NAME|there}}, hi {{first_name}}", "¡{{NAME}}! ({{NAME}})", "こんにちは、{{NAME}}。",
		"A: {{NAME}},, - {{NAME}}\n{{NAME}} b", "{{{NAME}}}", "Hello {{NAME", "((({{NAME}})))", "\"{{NAME}}\" ,", "\xff{{NAME}}\xff",
	} {
		f.Add(greeting, "Alex Chen")
		f.Add(greeting, "{{NAME}} & <b>")
	}
	f.Fuzz(func(t *testing.T, greeting, name string) {
		g, err := recognize.ParseGreeting(greeting)
		if err != nil {
			return
		}
		named, unnamed := g.Render(name), g.Render("")
		if named != strings.TrimSpace(named) || unnamed != strings.TrimSpace(unnamed) {
			t.Fatalf("%q is said with space around: %q, %q", greeting, named, unnamed)
		}
		if utf8.ValidString(greeting) && !utf8.ValidString(unnamed) {
			t.Fatalf("%q to nobody is %q: a character was cut", greeting, unnamed)
		}
		hasName := nameToken.MatchString(greeting)
		if hasName && !strings.Contains(named, strings.TrimSpace(name)) {
			t.Fatalf("%q to %q is %q, without the name", greeting, name, named)
		}
		if !g.Named() && (unnamed != strings.TrimSpace(greeting) || named != unnamed) {
			t.Fatalf("%q has no place for a name, and is said as %q and %q", greeting, named, unnamed)
		}
		// Brackets that are part of the text may come together where a name between them goes.
		if loose := strings.Count(greeting, "{") + strings.Count(greeting, "<") - 2*strings.Count(greeting, "{{") - 2*strings.Count(greeting, "<<"); loose == 0 && anyToken.MatchString(unnamed) {
			t.Fatalf("%q to nobody is %q, with a token", greeting, unnamed)
		}
		if !spacesPair.MatchString(greeting) && spacesPair.MatchString(unnamed) {
			t.Fatalf("%q to nobody is %q, with more than one space", greeting, unnamed)
		}
		if strings.Count(unnamed, " ,") > strings.Count(greeting, " ,") {
			t.Fatalf("%q to nobody is %q, with a space before a comma", greeting, unnamed)
		}
		if first, _ := utf8.DecodeRuneInString(unnamed); hasName && strings.HasPrefix(strings.TrimSpace(greeting), "{{NAME}}") && unicode.IsLower(first) && unicode.IsUpper(unicode.ToUpper(first)) {
			t.Fatalf("%q to nobody is %q, which begins with a small letter", greeting, unnamed)
		}
	})
}

func TestCampaignGreetings(t *testing.T) {
	t.Parallel()
	known := map[string]string{"ORDER": "4711", "BAD": "{{NAME}} \x00"}
	for _, tt := range []struct{ text, name, want string }{
		{"Hello {{NAME}}, your order {{order}} is ready.", "Alex Chen", "Hello Alex Chen, your order 4711 is ready."},
		{"Hello {{NAME}}, your order {{ORDER}} is ready.", "", "Hello, your order 4711 is ready."},
		{"Hello {{FIRST_NAME}}, it is about {{PLAN|your plan}}.", "Alex Chen", "Hello Alex, it is about your plan."},
		{"Hello {{NAME}}, {{PLAN}}!", "Alex Chen", "Hello Alex Chen!"},
		{"Hello, {{PLAN}} {{NAME}}.", "", "Hello."},
		{"It says {{BAD}}.", "Alex Chen", "It says {{NAME}}."},
	} {
		g, err := recognize.ParseCampaignGreeting(tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		if got := g.RenderWith(tt.name, known); got != tt.want {
			t.Errorf("%q says %q, want %q", tt.text, got, tt.want)
		}
	}
	for _, text := range []string{"Hello {{ORDER NO}}", "Hello {{1}}", "Hello {{}}", "Hello {{ORDER", "Hello {{ORDER|{{NAME}}}}"} {
		if _, err := recognize.ParseCampaignGreeting(text); err == nil {
			t.Errorf("%q can be read", text)
		}
	}
	if g, err := recognize.ParseCampaignGreeting("{{A}} {{NAME}} {{B}} {{a}}"); err != nil || !slices.Equal(g.Variables(), []string{"A", "B"}) || !g.Named() {
		t.Errorf("the variables are %q, %v", g.Variables(), err)
	}
	if g, err := recognize.ParseCampaignGreeting("{{A}}"); err != nil || g.Named() {
		t.Errorf("a greeting without a name has one, or %v", err)
	}
}
