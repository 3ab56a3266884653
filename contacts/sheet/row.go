package sheet

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Row is a person as the file has them. The texts are as in their cells, but for the repairs that are
// counted; to tidy them is the address book's business. A row has a name and a phone, or is Invalid.
type Row struct {
	Line    int // of the file, where the row begins; the first is 1
	Name    string
	Phone   string // for [ReadPhone]
	Email   string
	Tags    []string
	Notes   string
	Cells   []string // all of the row, before apostrophes and formulas were taken away, to be written back if it is refused
	Repairs Tally    // made to the row's cells
	Invalid *Problem // why the row cannot be read; its fields are set as far as they could be
}

// Problem is why a row cannot be read.
type Problem struct {
	Column string // the column's name in the file, "" if the row is at fault as a whole
	Value  string // what the cell holds, shortened
	Reason string // a sentence or two: what is wrong and what to do
}

// reset empties the row and keeps its memory.
func (r *Row) reset(line int) {
	*r = Row{Line: line, Tags: r.Tags[:0], Cells: r.Cells[:0]}
}

// fill reads the fields of a row out of its cells. Damage is why the cells are not to be trusted.
func (s *Sheet) fill(row *Row, damage string) {
	if damage != "" {
		row.Invalid = &Problem{Value: shorten(strings.Join(row.Cells, string(s.delimiter))), Reason: damage}
		return
	}
	first, last := "", ""
	for i, c := range s.header.columns {
		if i == len(row.Cells) {
			break
		}
		if c.Field == FieldNone {
			continue
		}
		text := repairText(row.Cells[i], &row.Repairs)
		if row.Invalid == nil && len(text) > s.limits.Field && utf8.RuneCountInString(text) > s.limits.Field {
			row.Invalid = &Problem{Column: c.Name, Value: shorten(text), Reason: fmt.Sprintf("The cell has more than %d characters. Shorten it.", s.limits.Field)}
			continue
		}
		switch c.Field {
		case FieldName:
			row.Name = text
		case FieldFirstName:
			first = text
		case FieldLastName:
			last = text
		case FieldPhone:
			row.Phone = text
		case FieldEmail:
			row.Email = text
		case FieldTags:
			row.Tags = splitTags(row.Tags, text)
		case FieldNotes:
			row.Notes = text
		case FieldNone, FieldVariable: // in Cells
		}
	}
	if row.Name == "" {
		row.Name = joinName(first, last)
	}
	if row.Invalid == nil {
		row.Invalid = s.judge(row)
	}
}

// judge returns why a row cannot be taken for a person, or nil.
func (s *Sheet) judge(row *Row) *Problem {
	for i := len(s.header.columns); i < len(row.Cells); i++ {
		if isBlank(row.Cells[i]) {
			continue
		}
		return &Problem{Value: shorten(row.Cells[i]), Reason: fmt.Sprintf(
			"The row has %d cells, and there are %d columns. Put a cell that has a %s in its text into quotation marks.",
			i+1, len(s.header.columns), delimiterName(s.delimiter))}
	}
	switch {
	case isBlank(row.Name):
		return &Problem{Column: s.header.nameOf(FieldName, FieldFirstName, FieldLastName), Reason: "The row has no name."}
	case isBlank(row.Phone):
		return &Problem{Column: s.header.nameOf(FieldPhone), Reason: "The row has no phone number."}
	}
	return nil
}

func delimiterName(delimiter byte) string {
	switch delimiter {
	case ',':
		return "comma"
	case ';':
		return "semicolon"
	case '\t':
		return "tab"
	case '|':
		return "vertical bar"
	default:
		return fmt.Sprintf("%q", delimiter)
	}
}

// repairText takes away what a spreadsheet, or [Writer], put around a text so that it would not be
// taken for a formula or an amount: a leading apostrophe, or ="…".
func repairText(cell string, tally *Tally) string {
	if len(cell) < 2 || cell[0] != '\'' && cell[0] != '=' {
		return cell
	}
	if cell[0] == '\'' && formulaLike(cell) {
		tally.Add(RepairApostrophe)
		return cell[1:]
	}
	if text, ok := cutFormula(cell); ok {
		tally.Add(RepairFormula)
		return text
	}
	return cell
}

// Plain returns the text of a cell of [Row.Cells], without what a spreadsheet put around it.
func Plain(cell string) string { return repairText(cell, &Tally{}) }

// cutFormula returns the text of a formula that is nothing but a text: ="…".
func cutFormula(cell string) (string, bool) {
	inner, begins := strings.CutPrefix(cell, `="`)
	inner, closes := strings.CutSuffix(inner, `"`)
	if !begins || !closes || strings.Count(inner, `"`) != 2*strings.Count(inner, `""`) {
		return "", false
	}
	return strings.ReplaceAll(inner, `""`, `"`), true
}

func joinName(first, last string) string {
	switch {
	case isBlank(last):
		return first
	case isBlank(first):
		return last
	}
	return strings.TrimSpace(first) + " " + strings.TrimSpace(last)
}

// blank tells whether no cell holds anything.
func blank(cells []string) bool {
	for _, cell := range cells {
		if !isBlank(cell) {
			return false
		}
	}
	return true
}

func isBlank(text string) bool { return strings.TrimSpace(text) == "" }

// shorten returns the beginning of a text, for messages.
func shorten(text string) string {
	const longest = 60
	text = strings.TrimSpace(text)
	characters := 0
	for i := range text {
		if characters++; characters > longest {
			return text[:i] + "…"
		}
	}
	return text
}
