package dashboard

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// privacyPage is how long is kept what is learned from calls, and what agents are told.
type privacyPage struct {
	frame
	Form   form
	Agents []privacyRow
}

func (*privacyPage) template() string { return "privacy" }

// privacyRow is what a voice agent keeps and is told.
type privacyRow struct {
	org.Agent
	Told string
}

func (d *Dashboard) privacyRoutes() []route {
	return []route{
		{method: "GET", path: "/settings/privacy", role: member.Owner, serve: showPrivacy},
		{method: "POST", path: "/settings/privacy", role: member.Owner, action: "privacy.change", serve: changePrivacy},
	}
}

// privacyPage returns the page with a form.
func (v *visit) privacyPage(f form) (*privacyPage, error) {
	p := &privacyPage{frame: settingsFrame("Privacy", "privacy"), Form: f}
	agents, err := v.Orgs.Agents(v.r.Context(), v.org.ID)
	for _, a := range agents {
		p.Agents = append(p.Agents, privacyRow{a, toldWords(a.Tell)})
	}
	return p, err
}

// toldWords lists what an agent is told: "name, tags".
func toldWords(tell []org.Detail) string {
	switch len(tell) {
	case 0:
		return "nothing"
	case len(org.Details()):
		return "everything"
	}
	words := make([]string, len(tell))
	for i, d := range tell {
		words[i] = string(d)
	}
	return strings.Join(words, ", ")
}

func showPrivacy(v *visit) error {
	held, err := v.Orgs.Privacy(v.r.Context(), v.org.ID)
	if err != nil {
		return err
	}
	values := url.Values{"transcript_days": {daysText(held.TranscriptDays)}, "interaction_days": {daysText(held.InteractionDays)}}
	p, err := v.privacyPage(form{Values: values})
	if err != nil {
		return err
	}
	return v.ok(p)
}

// changePrivacy changes how long things are kept. A shorter time removes what is older, so it is
// asked for with a tick.
func changePrivacy(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	wanted, err := privacyFrom(f)
	if err == nil {
		err = v.setPrivacy(f, wanted)
	}
	if err != nil {
		p, pageErr := v.privacyPage(f)
		if pageErr != nil {
			return errors.Join(err, pageErr)
		}
		return v.again(err, &p.Form, p)
	}
	v.changed("", "", map[string]any{"transcripts": keptWords(wanted.TranscriptDays), "calls": keptWords(wanted.InteractionDays)})
	return v.goTo("/settings/privacy", "Saved. What is older goes within an hour.")
}

func (v *visit) setPrivacy(f form, wanted org.Privacy) error {
	held, err := v.Orgs.Privacy(v.r.Context(), v.org.ID)
	if err != nil {
		return err
	}
	sooner := shorter(wanted.TranscriptDays, held.TranscriptDays) || shorter(wanted.InteractionDays, held.InteractionDays)
	if sooner && !f.Has("sure", "1") {
		return problem.Invalid("sure", "This removes what is older, for good. Tick the box if that is what you want.")
	}
	return v.Orgs.SetPrivacy(v.r.Context(), v.org.ID, wanted)
}

// shorter reports whether a number of days is less than another, where nil is without end.
func shorter(wanted, held *int) bool { return wanted != nil && (held == nil || *wanted < *held) }

func privacyFrom(f form) (p org.Privacy, err error) {
	if p.TranscriptDays, err = daysFrom(f, "transcript_days"); err != nil {
		return p, err
	}
	p.InteractionDays, err = daysFrom(f, "interaction_days")
	return p, err
}

// daysFrom reads a number of days; nothing is for good (nil).
func daysFrom(f form, field string) (*int, error) {
	typed := strings.TrimSpace(f.Get(field))
	if typed == "" {
		return nil, nil
	}
	days, err := strconv.Atoi(typed)
	if err != nil {
		return nil, problem.Invalid(field, "Write a number of days, such as 90, or leave it empty.")
	}
	return &days, nil
}

func daysText(days *int) string {
	if days == nil {
		return ""
	}
	return strconv.Itoa(*days)
}

// keptWords says for how long something is kept.
func keptWords(days *int) string {
	if days == nil {
		return "for good"
	}
	return plural(*days, "day", "days")
}
