package contacts_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ringside/contacts"
	"ringside/contacts/sheet"
	"ringside/internal/problem"
)

func TestVariableNames(t *testing.T) {
	t.Parallel()
	for column, want := range map[string]string{
		"Order no.": "ORDER_NO", "plan": "PLAN", " 2nd address ": "ND_ADDRESS", "Größe": "GR_E", "Name": "", "first name": "", "名前": "", "": "", "__x__": "X",
		strings.Repeat("long ", 20): "LONG_LONG_LONG_LONG_LONG_LONG_LONG_LONG",
	} {
		if got := contacts.VariableName(column); got != want {
			t.Errorf("%q is %q, want %q", column, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		column := rapid.String().Draw(t, "column")
		if name := contacts.VariableName(column); name != "" && !contacts.IsVariable(name) {
			t.Errorf("%q is %q, which is no variable", column, name)
		}
	})
}

func TestVariablesThatCannotBe(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	many := map[string]string{}
	for n := range contacts.MaxVariables + 1 {
		many[fmt.Sprint("V", n)] = "x"
	}
	for _, variables := range []map[string]string{{"a b": "x"}, {"": "x"}, {"1ST": "x"}, {"NAME": "x"}, {"First_Name": "x"}, {"ORDER": "\x00"},
		{"ORDER": strings.Repeat("x", contacts.MaxVariableValue+1)}, {strings.Repeat("A", contacts.MaxVariableName+1): "x"}, many} {
		_, err := s.AddCampaignPerson(t.Context(), s.org, contacts.CampaignPerson{Campaign: "Spring", Phone: alex.String(), Variables: variables})
		if p := refused(t, err, problem.CodeInvalid); p.Field != "variables" {
			t.Errorf("%v: the problem is with %q", variables, p.Field)
		}
	}
	if n := one[int](t, s, `SELECT count(*) FROM campaign_people`); n != 0 {
		t.Errorf("%d people are there", n)
	}
}

// Those that somebody has already count, too.
func TestVariablesThatBecomeTooMany(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	some := func(letter string) map[string]string {
		v := map[string]string{}
		for n := range contacts.MaxVariables/2 + 1 {
			v[fmt.Sprint(letter, n)] = "x"
		}
		return v
	}
	p := contacts.CampaignPerson{Campaign: "Spring", Phone: alex.String(), Variables: some("A")}
	added, err := s.AddCampaignPerson(t.Context(), s.org, p)
	if err != nil {
		t.Fatal(err)
	}
	p.Variables = some("B")
	_, err = s.AddCampaignPerson(t.Context(), s.org, p)
	refused(t, err, problem.CodeInvalid)
	spring := one[string](t, s, `SELECT id::text FROM campaigns`)
	_, err = s.ChangeCampaignPerson(t.Context(), s.org.ID, spring, added.ID, contacts.CampaignChange{Variables: some("B")})
	refused(t, err, problem.CodeInvalid)
	if n := one[int](t, s, `SELECT count(*) FROM campaign_people, jsonb_object_keys(variables)`); n != len(some("A")) {
		t.Errorf("they have %d variables", n)
	}
	if _, err := s.ChangeCampaignPerson(t.Context(), s.org.ID, spring, added.ID, contacts.CampaignChange{Variables: some("A")}); err != nil {
		t.Error(err)
	}
}

// Columns of a file that are no field are variables of a campaign's people, and can be taken away again.
func TestVariablesFromFiles(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	spring := s.campaign(t, "Spring")
	f := contacts.ImportFile{Campaign: spring.ID, Options: sheet.Options{Columns: map[string]sheet.Field{"Internal": sheet.FieldNone}}, Content: strings.NewReader(
		"Name,Phone,Order no.,Internal,E-mail,order-no\nAlex Chen,+1 415 555 1200,\"=\"\"0042\"\"\",secret,a@example.com,twice\nMaria Gomez,(312) 555-0100,,,,\n")}
	report, err := s.Import(t.Context(), s.org, f)
	if err != nil || report.Created != 2 {
		t.Fatalf("imported %+v: %v", report, err)
	}
	columns := map[string]string{}
	for _, c := range report.Columns {
		columns[c.Name] = string(c.Field) + c.Variable
	}
	if diff := cmp.Diff(map[string]string{"Name": "name", "Phone": "phone", "Order no.": "ORDER_NO", "Internal": "", "E-mail": "E_MAIL", "order-no": ""}, columns); diff != "" {
		t.Errorf("the columns (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Internal", "order-no"}, report.UnknownColumns); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	page, err := s.CampaignPeople(t.Context(), s.org.ID, spring.ID, contacts.CampaignQuery{})
	if err != nil || len(page.People) != 2 {
		t.Fatalf("%d people: %v", len(page.People), err)
	}
	maria, alexChen := page.People[0], page.People[1]
	if diff := cmp.Diff(map[string]string{"ORDER_NO": "0042", "E_MAIL": "a@example.com"}, alexChen.Variables); diff != "" || len(maria.Variables) != 0 || !maria.Waiting {
		t.Errorf("Maria is %+v; Alex (-want +got):\n%s", maria, diff)
	}
	changed, err := s.ChangeCampaignPerson(t.Context(), s.org.ID, spring.ID, alexChen.ID, contacts.CampaignChange{Variables: map[string]string{"e_mail": "", "PLAN": "Gold"}})
	if diff := cmp.Diff(map[string]string{"ORDER_NO": "0042", "PLAN": "Gold"}, changed.Variables); err != nil || diff != "" {
		t.Errorf("changed: %v (-want +got):\n%s", err, diff)
	}
	if book, err := s.Import(t.Context(), s.org, contacts.ImportFile{Content: strings.NewReader("Name,Phone,Order\nSam,+13125550101,7\n")}); err != nil || book.Columns[2].Variable != "" {
		t.Errorf("a contact has the variable %q: %v", book.Columns[2].Variable, err)
	}
}
