package recognize

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Advice is something about a greeting that its author should look at.
type Advice struct {
	Kind AdviceKind
	Part string // what it is about, as it stands in the greeting; "" for the whole
	Text string // a sentence for people: what is wrong, and what to write instead
}

// AdviceKind is what is wrong with a greeting.
type AdviceKind string

// The kinds of advice. A greeting with one of the first two cannot be read; see [ParseGreeting].
const (
	UnknownToken   AdviceKind = "unknown_token"
	UnclosedToken  AdviceKind = "unclosed_token"
	NoPlaceForName AdviceKind = "no_place_for_name"
	AwkwardWithout AdviceKind = "awkward_without_name" // only for callers without a name
	NeverNamed     AdviceKind = "never_named"          // a place in what only callers without a name hear
)

// Fatal reports whether a greeting with this advice is refused.
func (a Advice) Fatal() bool { return a.Kind == UnknownToken || a.Kind == UnclosedToken }

// CheckGreeting tells what should be looked at in a greeting that callers with and without a name
// hear: what cannot be read, a missing place for the name, and sentences that read badly without it.
// It returns nil for one that is fine.
func CheckGreeting(text string) []Advice {
	if advice := checkTokens(text); len(advice) > 0 {
		return advice
	}
	g, err := ParseGreeting(text)
	switch {
	case err != nil: // checkTokens finds whatever ParseGreeting refuses; a property test holds them together
		return []Advice{{UnknownToken, text, "The greeting cannot be read: " + err.Error() + "."}}
	case !g.Named():
		return []Advice{{NoPlaceForName, "", "Nobody is greeted by name: write {{NAME}} or {{FIRST_NAME}} where the name should be said."}}
	case g.Render("") == "":
		return []Advice{{AwkwardWithout, strings.TrimSpace(text), "A caller without a name hears nothing at all. " + wayOut}}
	}
	var advice []Advice
	for _, sentence := range sentences(text) {
		if said, bad := awkward(sentence); bad {
			advice = append(advice, Advice{AwkwardWithout, sentence, fmt.Sprintf("Without a name, “%s” becomes “%s”. %s", sentence, said, wayOut)})
		}
	}
	return advice
}

const wayOut = "Write what to say instead, such as {{NAME|there}}, or give unknown callers a greeting of their own."

// CheckGreetings does the same for an agent with a greeting of its own for unknown callers, which may
// be "": then what the first says without a name is nobody's concern.
func CheckGreetings(greeting, unknown string) (ofGreeting, ofUnknown []Advice) {
	ofGreeting = CheckGreeting(greeting)
	if unknown == "" {
		return ofGreeting, nil
	}
	ofGreeting = slices.DeleteFunc(ofGreeting, func(a Advice) bool { return a.Kind == AwkwardWithout })
	if ofUnknown = checkTokens(unknown); len(ofUnknown) > 0 {
		return ofGreeting, ofUnknown
	}
	for _, token := range tokensOf(unknown) {
		ofUnknown = append(ofUnknown, Advice{NeverNamed, token, fmt.Sprintf("“%s” never becomes a name here: only callers without a name hear this greeting.", token)})
	}
	return ofGreeting, ofUnknown
}

// tokensOf returns the places of a greeting that can be read, as they are written.
func tokensOf(text string) (tokens []string) {
	for {
		open, closing := firstOpening(text)
		if open < 0 {
			return tokens
		}
		end := strings.Index(text[open:], closing)
		if end < 0 {
			return tokens
		}
		tokens = append(tokens, text[open:open+end+2])
		text = text[open+end+2:]
	}
}

// checkTokens tells what cannot be read of a greeting.
func checkTokens(text string) (advice []Advice) {
	for text != "" {
		open, closing := firstOpening(text)
		if open < 0 {
			break
		}
		end := strings.Index(text[open:], closing)
		if end < 0 {
			return append(advice, unclosed(text[open:], closing))
		}
		inside := text[open+2 : open+end]
		token, word, hasWord := strings.Cut(inside, "|")
		nested, _ := firstOpening(inside)
		switch name := strings.ToUpper(strings.TrimSpace(token)); {
		case nested >= 0: // the closing is that of another one
			advice = append(advice, unclosed(text[open:open+2+nested], closing))
		case name != tokenName && name != tokenFirstName:
			advice = append(advice, unknown(text[open:open+end+2], token, word, hasWord))
		}
		text = text[open+end+2:]
	}
	return advice
}

func unclosed(part, closing string) Advice {
	return Advice{UnclosedToken, part, fmt.Sprintf("“%s” is opened and not closed: write %s behind the name's place, as in {{NAME}}.", clean(part, maxQuoted), closing)}
}

func unknown(part, token, word string, hasWord bool) Advice {
	meant := nearestToken(token)
	right := "{{" + meant
	if hasWord {
		right += "|" + strings.TrimSpace(word)
	}
	return Advice{UnknownToken, part, fmt.Sprintf("“%s” means nothing here: write %s}}.", clean(part, maxQuoted), clean(right, maxQuoted))}
}

// nearestToken returns the token that somebody meant who wrote another one.
func nearestToken(written string) string {
	letters := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return unicode.ToUpper(r)
		}
		return -1
	}, written)
	for _, hint := range []string{"FIRST", "FORE", "GIVEN", "VOR", "FNAME"} {
		if strings.Contains(letters, hint) {
			return tokenFirstName
		}
	}
	if len(letters) <= 40 && distance(letters, "FIRSTNAME") <= 3 { // FRISTNAME
		return tokenFirstName
	}
	return tokenName
}

// distance is how many letters have to be added, taken away or replaced to make b of a (Levenshtein).
func distance(a, b string) int {
	one, two := []rune(a), []rune(b)
	row := make([]int, len(two)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range one {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range two {
			above := row[j+1]
			cost := 1
			if x == y {
				cost = 0
			}
			row[j+1] = min(above+1, row[j]+1, diagonal+cost)
			diagonal = above
		}
	}
	return row[len(two)]
}

// sentences splits a greeting that can be read, without taking places or titles ("Mr.") apart.
func sentences(text string) (all []string) {
	begin := 0
	add := func(end int) {
		if s := strings.TrimSpace(text[begin:end]); s != "" {
			all = append(all, s)
		}
		begin = end
	}
	for at := 0; at < len(text); {
		if open, closing := firstOpening(text[at:]); open == 0 {
			at += strings.Index(text[at:], closing) + len(closing)
			continue
		}
		r, size := utf8.DecodeRuneInString(text[at:])
		at += size
		next, _ := utf8.DecodeRuneInString(text[at:])
		ends := isOf(sentenceMarks, r) && (at == len(text) || unicode.IsSpace(next) || isOf("。！？", r))
		if r == '\n' || ends && !(r == '.' && isIn(titles, lastWord(text[begin:at-1]))) {
			add(at)
		}
	}
	add(len(text))
	return all
}

// lastWord returns the word at the end of a text, without marks around it.
func lastWord(text string) string {
	words := strings.Fields(text)
	if len(words) == 0 {
		return ""
	}
	return strings.TrimFunc(words[len(words)-1], isMark)
}

// isMark reports whether r is neither letter nor digit nor the apostrophe within a word.
func isMark(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !isOf(apostrophes, r) }

const apostrophes = "'’"

var (
	// dangling words want a name behind them whatever follows; atTheEnd only where nothing does.
	dangling = wordSet("dear to with for from by of about as is are am i'm and liebe lieber geehrte geehrter cher chère estimado estimada")
	atTheEnd = wordSet("this that it's called named name's")
	// Titles of which these can be said alone.
	polite = wordSet("sir madam miss señor señora")
	// verbs at a sentence's beginning want the name in front of them, unless a pronoun follows.
	verbs    = wordSet("is has was will wants called says")
	pronouns = wordSet("this that it there everything anything anybody now he she they someone somebody your the")
	// alone are sentences that mean nothing any more.
	alone = wordSet("are_you is_this is_that this_is am_i_speaking")
)

// awkward reports whether a sentence reads badly without the name, and how it reads then.
func awkward(sentence string) (said string, bad bool) {
	g, err := ParseGreeting(sentence)
	if err != nil { // a sentence's end between the braces of a place
		return "", false
	}
	said = g.Render("")
	places := 0
	for i, p := range g.parts {
		if p.token == "" || p.text != "" {
			continue
		}
		places++
		bad = bad || badWithout(textOf(g.parts[:i]), textOf(g.parts[i+1:]))
	}
	if places == 0 || said == "" {
		return said, false
	}
	first, _ := utf8.DecodeRuneInString(said)
	if isOf(clauseMarks+sentenceMarks+apostrophes, first) {
		return said, true
	}
	words := strings.FieldsFunc(strings.ToLower(said), isMark)
	return said, bad || alone[strings.Join(words, "_")]
}

// textOf is what is said beside a place without a name.
func textOf(parts []part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.text)
	}
	return b.String()
}

// badWithout reports whether the text around a place wants a name there.
func badWithout(before, after string) bool {
	rest := strings.TrimLeftFunc(after, unicode.IsSpace)
	next, _ := utf8.DecodeRuneInString(rest)
	end := strings.TrimLeft(after, apostrophes) // of a word that begins with the name: 's
	glued, _ := utf8.DecodeRuneInString(end)
	over := rest == "" || isOf(sentenceMarks+clauseMarks+closingMarks, next)
	left := strings.TrimRightFunc(before, unicode.IsSpace)
	last, _ := utf8.DecodeLastRuneInString(left)
	word := strings.ToLower(lastWord(left))
	switch {
	case unicode.IsLetter(glued), unicode.IsDigit(glued):
		return true
	case left == "":
		words := strings.Fields(strings.ToLower(rest))
		if over || len(words) == 0 || !verbs[words[0]] {
			return false
		}
		return len(words) == 1 || !pronouns[strings.TrimFunc(words[1], isMark)]
	case isOf(sentenceMarks, last) && !isIn(titles, word), isOf(clauseMarks, last):
		return false
	}
	return dangling[word] || over && atTheEnd[word] || isIn(titles, word) && !polite[word]
}
