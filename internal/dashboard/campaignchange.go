package dashboard

import (
	"errors"
	"strings"

	"ringside/contacts"
	"ringside/internal/problem"
)

// campaignNamePage renames a campaign.
type campaignNamePage struct {
	frame
	Form     form
	Campaign contacts.Campaign
}

func (*campaignNamePage) template() string { return "campaign-name" }

func (v *visit) campaignNamePage() (*campaignNamePage, error) {
	c, err := v.Book.Campaign(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return &campaignNamePage{frame: frame{Title: "Rename " + c.Name, Here: "campaigns"}, Campaign: c}, nil
}

func showRenameCampaign(v *visit) error {
	p, err := v.campaignNamePage()
	if err != nil {
		return err
	}
	p.Form.Values = map[string][]string{"name": {p.Campaign.Name}}
	return v.ok(p)
}

func renameCampaign(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	c, err := v.Book.RenameCampaign(v.r.Context(), v.org.ID, v.r.PathValue("id"), f.Get("name"))
	if err != nil {
		p, pageErr := v.campaignNamePage()
		if pageErr != nil {
			return errors.Join(err, pageErr)
		}
		p.Form = f
		return v.again(err, &p.Form, p)
	}
	v.changed(c.ID, c.Name, nil)
	return v.goTo("/campaigns/"+c.ID, "The campaign is called "+c.Name+" now.")
}

// campaignDeletePage asks before a campaign is deleted.
type campaignDeletePage struct {
	frame
	Form     form
	Campaign contacts.Campaign
}

func (*campaignDeletePage) template() string { return "campaign-delete" }

func (v *visit) campaignDeletePage() (*campaignDeletePage, error) {
	c, err := v.Book.Campaign(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return &campaignDeletePage{frame: frame{Title: "Delete " + c.Name, Here: "campaigns"}, Campaign: c}, nil
}

func showDeleteCampaign(v *visit) error {
	p, err := v.campaignDeletePage()
	if err != nil {
		return err
	}
	return v.ok(p)
}

// deleteCampaign deletes a campaign for good, if its name was typed as asked for.
func deleteCampaign(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	p, err := v.campaignDeletePage()
	if err != nil {
		return err
	}
	p.Form = f
	if !strings.EqualFold(strings.TrimSpace(f.Get("name")), p.Campaign.Name) {
		return v.again(problem.Invalid("name", "Type the name as it is written above, so that nothing is deleted by mistake."), &p.Form, p)
	}
	if err := v.Book.DeleteCampaign(v.r.Context(), v.org.ID, p.Campaign.ID); err != nil {
		return v.again(err, &p.Form, p)
	}
	v.changed(p.Campaign.ID, p.Campaign.Name, map[string]any{"people": p.Campaign.People})
	return v.goTo("/campaigns", p.Campaign.Name+" is deleted.")
}
