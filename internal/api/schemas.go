package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"ringside/contacts"
	"ringside/contacts/sheet"
	"ringside/internal/campaign"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/recognize"
)

// names are what types are called in the document whose own name says too little there, or is another's.
var names = map[reflect.Type]string{
	reflect.TypeFor[contacts.Page]():     "ContactPage",
	reflect.TypeFor[ledger.Page]():       "InteractionPage",
	reflect.TypeFor[agentList]():         "AgentList",
	reflect.TypeFor[campaignList]():      "CampaignList",
	reflect.TypeFor[captureInput]():      "ContactCapture",
	reflect.TypeFor[campaign.Plan]():     "CampaignCalling",
	reflect.TypeFor[campaign.Progress](): "CampaignProgress",
	reflect.TypeFor[callingChange]():     "CampaignCallingChange",
	reflect.TypeFor[problem.Document]():  "Problem",
	reflect.TypeFor[recognize.Trace]():   "Recognition",
	reflect.TypeFor[recognize.Step]():    "RecognitionStep",
}

// newRegistry returns a registry of schemas that knows the texts which are more than that: their form,
// or what they are one of. Go's own types cannot say so.
func newRegistry() huma.Registry {
	registry := huma.NewMapRegistry("#/components/schemas/", func(t reflect.Type, hint string) string {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if name, ok := names[t]; ok {
			return name
		}
		return huma.DefaultSchemaNamer(t, hint)
	})
	alias[phone.Number, phoneSchema](registry)
	alias[org.ID, orgSchema](registry)
	alias[contacts.Source, sourceSchema](registry)
	alias[contacts.ImportState, importStateSchema](registry)
	alias[sheet.Field, fieldSchema](registry)
	alias[problem.Code, codeSchema](registry)
	alias[campaign.State, campaignStateSchema](registry)
	alias[campaign.Clock, clockSchema](registry)
	return registry
}

// alias has T described by S, since T's package is not to know of documents.
func alias[T any, S huma.SchemaProvider](registry huma.Registry) {
	registry.RegisterTypeAlias(reflect.TypeFor[T](), reflect.TypeFor[S]())
}

type (
	phoneSchema         struct{}
	orgSchema           struct{}
	sourceSchema        struct{}
	importStateSchema   struct{}
	fieldSchema         struct{}
	campaignStateSchema struct{}
	clockSchema         struct{}
	codeSchema          struct{}
)

func (phoneSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Pattern: `^\+[1-9][0-9]{6,14}$`, Description: "A phone number in E.164.", Examples: []any{"+14155551200"}}
}

func (orgSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Format: "uuid"}
}

func (sourceSchema) Schema(huma.Registry) *huma.Schema { return sources() }

// sources is the schema of where a value came from.
func sources() *huma.Schema {
	return oneOf(contacts.SourcePerson, contacts.SourceCapture, contacts.SourceImport, contacts.SourceAuto)
}

func (importStateSchema) Schema(huma.Registry) *huma.Schema {
	return oneOf(contacts.ImportReading, contacts.ImportPlanned, contacts.ImportRunning, contacts.ImportStopped, contacts.ImportDone, contacts.ImportUndone)
}

func (fieldSchema) Schema(huma.Registry) *huma.Schema {
	s := oneOf(append([]sheet.Field{sheet.FieldNone}, sheet.Fields()...)...)
	s.Description = "What a column is read as; empty: it is left out."
	return s
}

func (campaignStateSchema) Schema(huma.Registry) *huma.Schema {
	return oneOf(campaign.Draft, campaign.Running, campaign.Paused, campaign.Stopped, campaign.Finished)
}

func (clockSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Pattern: "^[0-2][0-9]:[0-5][0-9]$", Description: "A time of day; 24:00 is its end.", Examples: []any{"09:00"}}
}

func (codeSchema) Schema(huma.Registry) *huma.Schema { return oneOf(problem.Codes()...) }

// withDefault returns the schema with what is taken where nothing is given.
func withDefault[T ~string](s *huma.Schema, usual T) *huma.Schema {
	s.Default = string(usual)
	return s
}

// amend makes the schemas of a registry say what is really sent. Lists are never null here. What a
// client sends has no fields that are not known; what it gets may have more one day.
func amend(registry huma.Registry, sent map[string]bool) {
	for name, s := range registry.Map() {
		if !sent[name] && s.AdditionalProperties == false {
			s.AdditionalProperties = nil
		}
		for _, property := range s.Properties {
			amendList(property, sent[name])
		}
	}
}

func amendList(s *huma.Schema, sent bool) {
	if s.Type == huma.TypeArray {
		s.Nullable = sent && s.Nullable
		amendList(s.Items, sent)
	}
	if values, ok := s.AdditionalProperties.(*huma.Schema); ok {
		amendList(values, sent)
	}
}
