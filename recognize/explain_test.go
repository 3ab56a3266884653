package recognize_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"ringside/contacts"
	"ringside/internal/phone"
	"ringside/recognize"
)

// rules are all rules that the package declares, so that a new one is not forgotten.
func rules(t *testing.T) (all []recognize.Rule) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "rules.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && len(spec.Names) == 1 && strings.HasPrefix(spec.Names[0].Name, "Rule") {
			all = append(all, recognize.Rule(strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)))
		}
		return true
	})
	if len(all) < 10 {
		t.Fatalf("found the rules %v", all)
	}
	return all
}

// Whatever decided, people are told in words why, and either what would change it or that they were
// greeted by name.
func TestEveryRuleIsExplained(t *testing.T) {
	t.Parallel()
	for _, rule := range rules(t) {
		trace := &recognize.Trace{Rule: rule, Number: "+14155551200", Received: "+14155551200", Class: phone.ClassWithheld, ContactID: "c1", Attestation: "TN-Validation-Passed-B",
			GreetedByName: rule == recognize.RuleContactName || rule == recognize.RuleCampaignName}
		e := recognize.Explain(trace, "agent-1", nil, nil)
		if e.Because == "" || e.Because == trace.Why || strings.Contains(e.Because, "_") {
			t.Errorf("%s is explained as %q", rule, e.Because)
		}
		if trace.GreetedByName != (len(e.Remedies) == 0) || trace.GreetedByName != (e.Headline == "Greeted by name") {
			t.Errorf("%s: %q with the remedies %+v", rule, e.Headline, e.Remedies)
		}
		for _, r := range e.Remedies {
			if r.Text == "" || r.Does == recognize.EditContact && r.ID != "c1" || r.Does == recognize.EditAgent && r.ID != "agent-1" {
				t.Errorf("%s: the remedy %+v", rule, r)
			}
		}
	}
}

func TestExplainAnUnknownNumber(t *testing.T) {
	t.Parallel()
	trace := &recognize.Trace{Rule: recognize.RuleUnknownNumber, Number: "+14155551200", Steps: []recognize.Step{
		{Tier: recognize.TierProcess, Outcome: "miss", Micros: 5}, {Tier: recognize.TierRedis, Outcome: "failed: refused", Micros: 900}, {Tier: recognize.TierPostgres, Outcome: "hit", Micros: 1500, AgeMS: 2500}}}
	near := []contacts.NearMiss{{ContactID: "c7", Name: "Alex Chen", Phone: "+442075551200"}}
	e := recognize.Explain(trace, "agent-1", near, nil)
	if len(e.Remedies) != 2 || e.Remedies[0].Does != recognize.AddContact || e.Remedies[0].Number != "+14155551200" ||
		e.Remedies[1].ID != "c7" || !strings.HasPrefix(e.Remedies[1].Text, "Did you mean Alex Chen, +44 20 7555 1200?") {
		t.Errorf("the remedies are %+v", e.Remedies)
	}
	for i, want := range []string{"This program's memory did not know (0.01 ms).", "The cache (Redis) could not be asked (0.90 ms).", "The database had the answer (1.50 ms). What it had was 2.5 s old."} {
		if e.Steps[i] != want && i > 0 || !strings.HasPrefix(e.Steps[i], want[:20]) {
			t.Errorf("step %d is %q, want %q", i, e.Steps[i], want)
		}
	}
	e = recognize.Explain(trace, "agent-1", near, &contacts.Contact{ID: "c9", Name: "Robin Park"})
	if len(e.Remedies) != 1 || e.Remedies[0].ID != "c9" || !strings.Contains(e.Remedies[0].Text, "Robin Park") {
		t.Errorf("of a number that was added since the remedies are %+v", e.Remedies)
	}
}

// Of whoever wrote, it is said whether they are known; nobody speaks of a greeting.
func TestExplainSender(t *testing.T) {
	t.Parallel()
	for _, rule := range rules(t) {
		known := rule == recognize.RuleContactName || rule == recognize.RuleNotByName || rule == recognize.RuleNoPlaceForName
		trace := &recognize.Trace{Rule: rule, Number: "+14155551200", Received: "+14155551200", Class: phone.ClassShortCode, ContactID: "c1", Known: known, Source: "contact"}
		e := recognize.ExplainSender(trace, nil, nil)
		if known != (e.Headline == "Recognised") || e.Because == "" || strings.Contains(e.Because+e.Headline, "reet") {
			t.Errorf("%s: %q, %q", rule, e.Headline, e.Because)
		}
		if asks := rule == recognize.RuleUnknownNumber || rule == recognize.RuleBlocked; asks != (len(e.Remedies) > 0) {
			t.Errorf("%s: the remedies are %+v", rule, e.Remedies)
		}
	}
	fromCampaign := &recognize.Trace{Rule: recognize.RuleCampaignName, Number: "+14155551200", Known: true, Source: "campaign"}
	if e := recognize.ExplainSender(fromCampaign, nil, nil); !strings.Contains(e.Because, "one of your campaigns called it") {
		t.Errorf("from a campaign: %q", e.Because)
	}
}
