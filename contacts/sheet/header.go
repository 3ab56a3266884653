package sheet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"ringside/internal/problem"
)

// Field is what a column holds.
type Field string

// The fields. A file needs a phone, and a name in one or two columns.
const (
	FieldNone      Field = "" // the column is left out
	FieldName      Field = "name"
	FieldFirstName Field = "first_name" // joined with the last name
	FieldLastName  Field = "last_name"
	FieldPhone     Field = "phone"
	FieldEmail     Field = "email"
	FieldTags      Field = "tags"
	FieldNotes     Field = "notes"
	FieldVariable  Field = "variable" // for whoever reads the rows to make something of; several columns may be
)

// Fields returns all fields a column may have, for people to choose from.
func Fields() []Field {
	return []Field{FieldName, FieldFirstName, FieldLastName, FieldPhone, FieldEmail, FieldTags, FieldNotes, FieldVariable}
}

// ChooseColumns reads what people say of columns: the name of a field, or - for one to leave out.
func ChooseColumns(given map[string]string) (map[string]Field, error) {
	chosen := make(map[string]Field, len(given))
	for _, name := range slices.Sorted(maps.Keys(given)) { // so that of several problems the same is told each time
		field := Field(given[name])
		if field == "-" {
			field = FieldNone
		} else if !slices.Contains(Fields(), field) {
			return nil, problem.Invalid("columns", "The column %q cannot be %q: there is no such field. A column is one of %s, or - to leave it out.", shorten(name), shorten(string(field)), fieldList())
		}
		chosen[name] = field
	}
	return chosen, nil
}

// Column is a column of a file.
type Column struct {
	Name  string // as the file has it, or "column 3" where it has none
	Field Field
}

// header is what the columns are read as.
type header struct {
	columns []Column
	keys    []string // of the columns' names
}

// readHeader tells what the columns with these names are, as far as chosen does not say.
func readHeader(cells []string, chosen map[string]Field) (header, error) {
	h := header{}
	for len(cells) > 0 && isBlank(cells[len(cells)-1]) { // delimiters at the end of each line
		cells = cells[:len(cells)-1]
	}
	for i, cell := range cells {
		name := strings.TrimSpace(cell)
		if name == "" {
			name = fmt.Sprintf("column %d", i+1)
		}
		h.columns = append(h.columns, Column{Name: name})
		h.keys = append(h.keys, key(cell))
	}
	if err := h.choose(chosen); err != nil {
		return h, err
	}
	h.guess(chosen)
	return h, h.check()
}

// choose maps the columns that people have mapped.
func (h *header) choose(chosen map[string]Field) error {
	names := make([]string, 0, len(chosen))
	for name := range chosen {
		names = append(names, name)
	}
	slices.Sort(names) // so that of several problems the same is told each time
	for _, name := range names {
		field := chosen[name]
		if field != FieldNone && !slices.Contains(Fields(), field) {
			return problem.Invalid("columns", "There is no field %q; a column can be one of %s.", field, fieldList())
		}
		i := slices.IndexFunc(h.columns, func(c Column) bool { return c.Name == strings.TrimSpace(name) })
		if i < 0 {
			return problem.Invalid("columns", "The file has no column %q; it has %s.", name, h.list())
		}
		if field == FieldNone {
			continue
		}
		if j := h.index(field); j >= 0 && field != FieldVariable {
			return problem.Invalid("columns", "The columns %q and %q are both to be the %s; choose one.", h.columns[j].Name, h.columns[i].Name, field)
		}
		h.columns[i].Field = field
	}
	return nil
}

// guess maps the other columns by their names. Of two that claim a field the first has it; a name in
// one column is better than in two.
func (h *header) guess(chosen map[string]Field) {
	meaning := h.meaning()
	for i := range h.columns {
		c := &h.columns[i]
		if _, ok := chosen[c.Name]; ok || c.Field != FieldNone {
			continue
		}
		field := meaning(h.keys[i])
		if field == FieldNone || h.index(field) >= 0 {
			continue
		}
		c.Field = field
	}
	if h.index(FieldName) < 0 {
		return
	}
	for i := range h.columns {
		c := &h.columns[i]
		if _, ok := chosen[c.Name]; !ok && (c.Field == FieldFirstName || c.Field == FieldLastName) {
			c.Field = FieldNone
		}
	}
}

// meaning returns how a column's key is read in this header. A bare "name" is a whole one, unless the
// column beside it says that it is a part: Name and Vorname, Nombre and Apellidos.
func (h *header) meaning() func(key string) Field {
	first, last, surnameFirst := false, false, false
	for _, key := range h.keys {
		switch aliases[key] {
		case FieldFirstName:
			first = true
			surnameFirst = surnameFirst || slices.Contains([]string{"vorname", "prenom"}, key)
		case FieldLastName:
			last = true
		}
	}
	part := FieldNone
	switch {
	case last && !first:
		part = FieldFirstName
	case surnameFirst && !last:
		part = FieldLastName
	}
	return func(key string) Field {
		if part != FieldNone && slices.Contains([]string{"name", "nombre", "nom", "nome"}, key) {
			return part
		}
		return aliases[key]
	}
}

// check returns the problem of a header that lacks a column, or nil.
func (h *header) check() error {
	field := h.missing()
	if field == "" {
		return nil
	}
	for _, c := range h.columns {
		if looksLikeData(c.Name) {
			return problem.Invalid("file", "The first line looks like a person, not like the names of columns: it has %q. Put a line such as Name,Phone,Email on top, one name for each column.", shorten(c.Name))
		}
	}
	if len(h.columns) == 1 {
		return problem.Invalid(string(field), "No column is the %s: the first line of the file has but one column, %q. Check that it names the columns, with a comma, semicolon or tab between them.", field, shorten(h.columns[0].Name))
	}
	return problem.Invalid(string(field), "No column is the %s. The file has %s. Rename the one that holds it to %q, or choose it.", field, h.list(), label(field))
}

func label(field Field) string {
	if field == FieldPhone {
		return "Phone"
	}
	return "Name"
}

// missing returns a needed field that no column has, or "".
func (h *header) missing() Field {
	switch {
	case h.index(FieldName) < 0 && h.index(FieldFirstName) < 0 && h.index(FieldLastName) < 0:
		return FieldName
	case h.index(FieldPhone) < 0:
		return FieldPhone
	}
	return ""
}

// index returns which column has a field, or -1.
func (h *header) index(field Field) int {
	return slices.IndexFunc(h.columns, func(c Column) bool { return c.Field == field })
}

// nameOf returns the name of the first column that has one of the fields.
func (h *header) nameOf(fields ...Field) string {
	for _, c := range h.columns {
		if slices.Contains(fields, c.Field) {
			return c.Name
		}
	}
	return ""
}

// list returns the columns' names for a message.
func (h *header) list() string {
	const most = 30
	names := make([]string, 0, most)
	for i, c := range h.columns {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(h.columns)-most))
			break
		}
		names = append(names, fmt.Sprintf("%q", shorten(c.Name)))
	}
	return strings.Join(names, ", ")
}

func fieldList() string {
	var names []string
	for _, f := range Fields() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// looksLikeData tells whether a cell of the first line is an e-mail address or a phone number, which
// no column is called.
func looksLikeData(cell string) bool {
	if at := strings.IndexByte(cell, '@'); at > 0 && strings.Contains(cell[at:], ".") {
		return true
	}
	digits, letters := 0, 0
	for _, r := range cell {
		switch {
		case '0' <= r && r <= '9':
			digits++
		case unicode.IsLetter(r):
			letters++
		}
	}
	return digits >= 7 && letters <= 1 // 1.41556E+10
}

// key returns what a column's name is looked up by: its letters and digits in lower case, without
// accents, so that E-mail 1 - Value and email1value are the same.
func key(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == 'ß':
			return 's'
		case unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, norm.NFKD.String(name))
}
