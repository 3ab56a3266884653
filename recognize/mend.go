package recognize

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Punctuation as it matters where a name is left out, of the scripts that a greeting is likely in.
const (
	sentenceMarks = ".!?…。！？؟।"
	invertedMarks = "¡¿"
	commas        = ",，、،"
	clauseMarks   = commas + ";；؛:：—–-"
	openingMarks  = `([{«“‘「『"`
	closingMarks  = `)]}»”’」』"` // in the order of openingMarks
)

// mend joins what stood before and after a name that is left out, as if it had never been there:
//
//	"Hello {{NAME}}, how are you"  → "Hello, how are you"   the space before it goes
//	"Hello, {{NAME}}, how are you" → "Hello, how are you"   of two commas one stays
//	"Hello, {{NAME}}!"             → "Hello!"               no comma before a sentence's end
//	"{{NAME}}, how are you"        → "How are you"          a sentence begins with a capital
//	"Hello ({{NAME}})!"            → "Hello!"               no empty brackets
func mend(before, after string) string {
	left, right := strings.TrimRightFunc(before, unicode.IsSpace), strings.TrimLeftFunc(after, unicode.IsSpace)
	spaceBefore, spaceAfter := before[len(left):], after[:len(after)-len(right)]
	last, lastSize := utf8.DecodeLastRuneInString(left)
	next, nextSize := utf8.DecodeRuneInString(right)
	opened := spaceBefore == "" && isOf(openingMarks, last)
	switch {
	case encloses(last, next):
		return mend(left[:len(left)-lastSize], right[nextSize:])
	case isOf(invertedMarks, last) && isOf(sentenceMarks, next): // ¡{{NAME}}! was a sentence
		return mend(left[:len(left)-lastSize], right[nextSize:])
	case left == "" || isOf(sentenceMarks+invertedMarks, last) || strings.Contains(spaceBefore, "\n"):
		return begin(left, after, spaceBefore)
	case isOf(clauseMarks, last) && (right == "" || isOf(sentenceMarks, next)), isOf(commas, last) && isOf(clauseMarks, next):
		left = strings.TrimRightFunc(left[:len(left)-lastSize], unicode.IsSpace)
	case (opened || isOf(clauseMarks, last)) && isOf(clauseMarks, next):
		right = strings.TrimLeftFunc(right, func(r rune) bool { return unicode.IsSpace(r) || isOf(clauseMarks, r) })
		spaceAfter = space(after[:len(after)-len(right)])
		next, _ = utf8.DecodeRuneInString(right)
	}
	switch {
	case right == "" || opened || isOf(commas, next):
		return left + right
	case isOf(sentenceMarks+clauseMarks+closingMarks, next):
		return left + spaceAfter + right // French puts a space before some marks
	}
	return left + space(spaceBefore+spaceAfter) + right
}

// begin joins a text and a sentence that began with the name.
func begin(left, after, spaceBefore string) string {
	right := strings.TrimLeftFunc(after, func(r rune) bool {
		return unicode.IsSpace(r) || isOf(clauseMarks+sentenceMarks, r)
	})
	last, _ := utf8.DecodeLastRuneInString(left)
	if left == "" || right == "" || isOf(invertedMarks, last) {
		return left + capitalised(right)
	}
	return left + space(spaceBefore+after[:len(after)-len(right)]) + capitalised(right)
}

// space returns the one space, or new line, that is left of what stood around a name.
func space(around string) string {
	switch {
	case strings.Contains(around, "\n"):
		return "\n"
	case strings.ContainsFunc(around, unicode.IsSpace):
		return " "
	}
	return ""
}

// isOf reports whether r is one of the given marks.
func isOf(marks string, r rune) bool { return strings.ContainsRune(marks, r) }

// encloses reports whether two marks are a pair of brackets or quotes.
func encloses(opening, closing rune) bool {
	at := strings.IndexRune(openingMarks, opening)
	return at >= 0 && closing == []rune(closingMarks)[utf8.RuneCountInString(openingMarks[:at])]
}

// capitalised returns text with its first letter in upper case, past the marks that open it.
func capitalised(text string) string {
	at := strings.IndexFunc(text, func(r rune) bool { return !isOf(openingMarks+invertedMarks, r) })
	if at < 0 {
		return text
	}
	r, size := utf8.DecodeRuneInString(text[at:])
	if !unicode.IsLower(r) {
		return text
	}
	return text[:at] + string(unicode.ToTitle(r)) + text[at+size:]
}
