package dashboard

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ringside/internal/audit"
	"ringside/internal/ledger"
	"ringside/recognize"
)

// interactionTitle says what a call or message was.
func interactionTitle(i ledger.Interaction) string {
	what := "Call"
	if i.Kind == "message" {
		what = "Message"
	}
	way := " from them"
	if i.Direction == "outbound" {
		way = " to them"
	}
	title := what + way
	if i.Rule == string(recognize.RuleAttestationFailed) || i.Rule == string(recognize.RuleAttestationBelow) {
		title = what + " that showed their number, which was not verified"
	}
	if i.DurationS != nil {
		title += ", " + duration(*i.DurationS)
	}
	if outcome := outcomeWords(i); outcome != "" && i.Status != "completed" {
		title += " (" + outcome + ")"
	}
	return title
}

// outcomeWords says how a call or message ended, or how far it is.
func outcomeWords(i ledger.Interaction) string {
	words := map[string]string{
		"queued": "waiting", "initiated": "beginning", "ringing": "ringing", "in-progress": "going on", "completed": "ended",
		"busy": "busy", "no-answer": "not answered", "failed": "failed", "canceled": "hung up before it was answered",
		"received": "received", "receiving": "coming in", "sent": "sent", "delivered": "delivered", "undelivered": "not delivered", "read": "read",
	}
	said, ok := words[i.Status]
	if !ok {
		said = strings.ReplaceAll(i.Status, "-", " ")
	}
	switch i.Reason {
	case "":
	case "runtime_unreachable":
		said += ": the agent could not be reached"
	case "handoff":
		said += ": handed over to a person"
	case "blocked":
		said += ": rejected, as they are blocked"
	default:
		said += ": " + strings.ReplaceAll(i.Reason, "_", " ")
	}
	return said
}

// actorWords says whose doing a change was.
func actorWords(a audit.Actor) string {
	switch {
	case a.Kind == "operator":
		return "An operator"
	case a.Kind == "key":
		return "The API key " + quote(a.Name)
	case a.Name == "":
		return "A member"
	}
	return a.Name
}

func quote(text string) string { return "“" + text + "”" }

// actions say what was done, after whose doing it was. Actions of the API are named like those of
// the pages.
var actions = map[string]string{
	"contact.add": "added the contact", "contact.change": "changed the contact", "contact.archive": "archived the contact", "contact.restore": "restored the contact",
	"contact.merge": "merged two contacts", "contact.unmerge": "undid a merge", "contact.erase": "erased a person", "contact.change_chosen": "changed several contacts",
	"call.place": "placed a call", "message.send": "sent a message",
	"contact.export": "exported contacts", "contact.block": "changed how the contact is treated",
	"import.plan": "tried an import", "import.start": "imported a file", "import.undo": "undid an import", "import.cancel": "stopped an import",
	"campaign.add": "added a campaign", "campaign.rename": "renamed a campaign", "campaign.delete": "deleted a campaign",
	"campaign.change": "changed how a campaign calls", "campaign.start": "started a campaign", "campaign.pause": "paused a campaign", "campaign.resume": "resumed a campaign", "campaign.stop": "stopped a campaign",
	"campaign.add_person": "added somebody to a campaign", "campaign.result": "recorded the result of a campaign's call",
	"agent.add": "added a voice agent", "agent.change": "changed a voice agent", "agent.delete": "deleted a voice agent", "agent.test": "tested the connection to a runtime",
	"number.add": "connected a phone number", "number.move": "moved a phone number", "number.remove": "disconnected a phone number", "number.sync": "set a phone number at Twilio", "account.token": "changed a Twilio auth token",
	"member.invite": "invited a member", "member.role": "changed a member's role", "member.remove": "removed a member", "member.link": "made a new link for a member",
	"password.change": "changed their password", "session.end": "ended a session", "session.end_others": "ended their other sessions",
	"key.create": "created an API key", "key.rotate": "rotated an API key", "key.revoke": "revoked an API key",
	"privacy.change": "changed the privacy settings", "demo.play": "played a simulated call",
}

// actionWords says what was done.
func actionWords(action string) string {
	if said, ok := actions[action]; ok {
		return said
	}
	return "did " + strings.NewReplacer(".", " ", "_", " ").Replace(action)
}

// detailWords writes an entry's details.
func detailWords(details map[string]any) string {
	var said []string
	for _, name := range slices.Sorted(maps.Keys(details)) {
		if name == "merge" || name == "merged" || name == "from" { // ids, which say nothing to people
			continue
		}
		value := details[name]
		if list, ok := value.([]any); ok {
			var items []string
			for _, item := range list {
				items = append(items, fmt.Sprint(item))
			}
			value = strings.Join(items, ", ")
		}
		if text := fmt.Sprint(value); text != "" {
			said = append(said, name+": "+text)
		}
	}
	return strings.Join(said, "; ")
}

// subjectLink is the page of what an entry is about, or "".
func subjectLink(e audit.Entry) string {
	kind, what, _ := strings.Cut(e.Action, ".")
	if e.Subject == "" || e.Label == "" || what == "delete" {
		return ""
	}
	switch kind {
	case "contact":
		return "/contacts/" + e.Subject
	case "agent":
		return "/agents/" + e.Subject
	case "campaign":
		return "/campaigns/" + e.Subject
	case "import":
		return "/import/" + e.Subject
	}
	return ""
}

// browserName says in a few words what a browser calls itself.
func browserName(userAgent string) string {
	name, system := "A browser", ""
	for _, b := range []struct{ mark, name string }{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}} {
		if strings.Contains(userAgent, b.mark) {
			name = b.name
			break
		}
	}
	for _, s := range []struct{ mark, name string }{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS", "Mac"}, {"Linux", "Linux"}} {
		if strings.Contains(userAgent, s.mark) {
			system = " on " + s.name
			break
		}
	}
	return name + system
}
