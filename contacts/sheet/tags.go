package sheet

import "strings"

// What stands between the tags of a cell. Google's exports have the latter.
const (
	separators = ",;|"
	google     = " ::: "
)

// splitTags appends the tags of a cell: what stands between commas, semicolons and vertical bars,
// without the spaces around it. A tag in quotation marks is taken whole, as [JoinTags] writes one
// that holds such a character.
func splitTags(into []string, cell string) []string {
	for cell != "" {
		var tag string
		tag, cell = cutTag(cell)
		if tag != "" {
			into = append(into, tag)
		}
	}
	return into
}

// cutTag returns the first tag of a cell, and what follows its separator.
func cutTag(cell string) (tag, rest string) {
	cell = strings.TrimSpace(cell)
	if text, rest, ok := cutQuoted(cell); ok {
		return text, rest
	}
	i, length := strings.IndexAny(cell, separators), 1
	if j := strings.Index(cell, google); j >= 0 && (i < 0 || j < i) {
		i, length = j, len(google)
	}
	if i < 0 {
		return cell, ""
	}
	return strings.TrimSpace(cell[:i]), cell[i+length:]
}

// cutQuoted is cutTag for a tag in quotation marks, within which they are doubled.
func cutQuoted(cell string) (text, rest string, ok bool) {
	if !strings.HasPrefix(cell, `"`) {
		return "", "", false
	}
	for i := 1; i < len(cell); i++ {
		if cell[i] != '"' {
			continue
		}
		if i+1 < len(cell) && cell[i+1] == '"' {
			i++
			continue
		}
		rest = strings.TrimSpace(cell[i+1:])
		if rest != "" && !strings.ContainsRune(separators, rune(rest[0])) {
			return "", "", false
		}
		return strings.ReplaceAll(cell[1:i], `""`, `"`), rest[min(1, len(rest)):], true
	}
	return "", "", false
}

// JoinTags returns tags as the text of one cell that is read back as the same tags.
func JoinTags(tags []string) string {
	var b strings.Builder
	for i, tag := range tags {
		if i > 0 {
			b.WriteString(", ")
		}
		if strings.ContainsAny(tag, separators+`"`) || strings.Contains(tag, google) || strings.TrimSpace(tag) != tag {
			tag = `"` + strings.ReplaceAll(tag, `"`, `""`) + `"`
		}
		b.WriteString(tag)
	}
	return b.String()
}
