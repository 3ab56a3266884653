package api

import (
	"fmt"

	"github.com/danielgtaylor/huma/v2"
)

// meanings say of fields in answers what their names do not, by the names of schema and field.
var meanings = map[string]map[string]string{
	"Contact": {
		"email":             "Empty if none is known.",
		"source":            "What made the contact.",
		"last_contacted_at": "The latest call or message; null: none yet.",
		"archived_at":       "null: the contact is active.",
		"origins":           "Of name, email, tags and notes: where the value came from, and when that was observed.",
	},
	"ContactPage": {
		"total":       "How many the search found when its first page was asked for.",
		"next_cursor": "Asks for the next page; null on the last one.",
	},
	"Usage": {
		"used":  "Active contacts.",
		"limit": "null: there is none.",
		"over":  "Contacts that callers added past the limit by themselves.",
	},
	"Interaction": {
		"sid":          "Twilio's CallSid or MessageSid.",
		"kind":         "call or message.",
		"direction":    "inbound or outbound.",
		"status":       "Twilio's word for the state.",
		"ended_at":     "null while it goes on.",
		"contact_id":   "Left out if it is nobody's.",
		"reason":       "Why it ended otherwise than by hanging up.",
		"duration_s":   "Seconds; null while it goes on.",
		"contact_name": "The name as it is now.",
	},
	"InteractionPage": {"next_cursor": "Asks for the next page; null on the last one."},
	"CaptureResult": {
		"saved":          "The fields that are in the address book now.",
		"kept":           "Fields that were left as they were there, such as after a person's own edit.",
		"needs_readback": "The agent should read the e-mail address back to the caller.",
		"code":           "Why nothing was kept, for programs; left out where ok.",
		"message":        "For the agent's model.",
	},
	"ImportReport": {
		"rows":       "Without the header and blank lines. Each is one of created, known, repeated, invalid and left out.",
		"known":      "Have a phone that the book has, and are left as they are.",
		"archived":   "How many of the known are archived; they stay so.",
		"repeated":   "Have the phone of an earlier row.",
		"left_out":   "Are past the plan's limit.",
		"problems":   "The first invalid rows. All are in the file of rejected rows.",
		"first":      "The first rows of the other kinds, of a plan.",
		"repairs":    "How often what a spreadsheet did to a phone was undone, by kind.",
		"stopped_at": "The line up to which rows are in the book, of an import that was stopped or is running.",
	},
	"ImportProgress": {
		"reading":      "The file is read; then rows are written.",
		"of":           "Rows of the file; 0 while it is read.",
		"remaining_ns": "Nanoseconds, by estimate.",
	},
	"UndoReport":      {"kept": "The first of the contacts that somebody has edited, or who have called, since.", "kept_count": "All of them."},
	"Agent":           {"greeting": "May hold {{NAME}}.", "unknown_greeting": "Said to callers who are not greeted by name; left out: greeting without it.", "min_attestation": "The lowest STIR/SHAKEN level at which a caller is recognised; left out: none.", "tell": "What the agent may be told of a caller: name, email, tags, notes, campaign, history."},
	"RecognitionStep": {"tier": "Where the caller was looked for: process, redis or postgres.", "outcome": "hit, miss, or why neither."},
	"Recognition": {
		"received":    "The caller's address as Twilio sent it.",
		"class":       "What kind of address that is.",
		"number":      "As read; left out if it is no person's number.",
		"out_of_time": "The budget ended before the caller was found.",
		"source":      "contact or campaign; left out if nobody was found.",
		"rule":        "What decided about the name: see docs/recognition.md.",
		"why":         "The same as a sentence.",
		"told":        "The fields that went to the agent.",
	},
}

// explain puts the meanings into the schemas. It panics on one that is of no field: the field has got
// another name, and every test fails.
func explain(registry huma.Registry) {
	for name, fields := range meanings {
		for field, meaning := range fields {
			s := registry.Map()[name]
			if s == nil || s.Properties[field] == nil {
				panic(fmt.Sprintf("describe the API: there is no %s.%s", name, field))
			}
			s.Properties[field].Description = meaning
		}
	}
}
