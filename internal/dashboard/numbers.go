package dashboard

import (
	"errors"

	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/internal/twilio"
)

// numbersPage is the phone numbers that lead to voice agents, and what has to be set at Twilio.
type numbersPage struct {
	frame
	Form     form
	Token    form // of the account whose auth token is changed
	Rows     []numberRow
	Agents   []option
	Accounts []string
	Webhooks []webhook
	CanCheck bool // Twilio can be asked
	Public   bool // Twilio can reach the public URL, as far as the URL tells
}

func (*numbersPage) template() string { return "numbers" }

// numberRow is a number, and whether Twilio tells of its calls.
type numberRow struct {
	org.Connected
	Heard moment
	Never bool // nothing was heard in the last 30 days
}

// webhook is an address that is set at Twilio.
type webhook struct{ ID, Label, URL string }

func (d *Dashboard) numberRoutes() []route {
	return []route{
		{method: "GET", path: "/settings/numbers", role: member.Owner, serve: showNumbers},
		{method: "POST", path: "/settings/numbers", role: member.Owner, action: "number.add", serve: addNumber},
		{method: "POST", path: "/settings/numbers/{id}/move", role: member.Owner, action: "number.move", serve: moveNumber},
		{method: "POST", path: "/settings/numbers/{id}/remove", role: member.Owner, action: "number.remove", serve: removeNumber},
		{method: "POST", path: "/settings/accounts", role: member.Owner, action: "account.token", serve: setAuthToken},
	}
}

// AccountOptions are the Twilio accounts to choose from.
func (p *numbersPage) AccountOptions() (options []option) {
	for _, sid := range p.Accounts {
		options = append(options, option{sid, sid})
	}
	return options
}

func (v *visit) numbersPage() (*numbersPage, error) {
	ctx := v.r.Context()
	p := &numbersPage{frame: settingsFrame("Phone numbers", "numbers"), CanCheck: v.Dashboard.Numbers != nil, Public: v.PublicURL.Secure()}
	p.Wide, p.Zone = true, v.zone()
	numbers, err := v.Orgs.Numbers(ctx, v.org.ID)
	if err != nil {
		return nil, err
	}
	var phones []phone.Number
	for _, n := range numbers {
		phones = append(phones, n.Phone)
	}
	arrivals, err := v.Ledger.Arrivals(ctx, v.org.ID, phones)
	if err != nil {
		return nil, err
	}
	for _, n := range numbers {
		last, ever := arrivals[n.Phone]
		p.Rows = append(p.Rows, numberRow{n, p.Moment(last.At), !ever})
	}
	agents, err := v.Orgs.Agents(ctx, v.org.ID)
	if err != nil {
		return nil, err
	}
	for _, a := range agents {
		p.Agents = append(p.Agents, option{a.ID, a.Name})
	}
	if p.Accounts, err = v.Orgs.Accounts(ctx, v.org.ID); err != nil {
		return nil, err
	}
	for _, s := range twilio.NumberSettings() {
		p.Webhooks = append(p.Webhooks, webhook{s.ID, s.Label, v.PublicURL.Webhook(s.Path)})
	}
	return p, nil
}

func showNumbers(v *visit) error {
	p, err := v.numbersPage()
	if err != nil {
		return err
	}
	return v.ok(p)
}

// numbersAgain shows the page again with what is wrong with one of its forms.
func (v *visit) numbersAgain(err error, f form, of func(*numbersPage) *form) error {
	p, pageErr := v.numbersPage()
	if pageErr != nil {
		return errors.Join(err, pageErr)
	}
	f.hush()
	*of(p) = f
	return v.again(err, of(p), p)
}

func connectForm(p *numbersPage) *form { return &p.Form }
func tokenForm(p *numbersPage) *form   { return &p.Token }

func addNumber(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	number, err := phone.Parse(f.Get("phone"), v.org.Country)
	if err != nil {
		return v.numbersAgain(problem.Invalid("phone", "%s", err), f, connectForm)
	}
	n, err := v.Orgs.AddNumber(v.r.Context(), org.Number{OrgID: v.org.ID, Phone: number, AgentID: f.Get("agent"), AccountSID: f.Get("account_sid")}, f.Get("auth_token"))
	if err != nil {
		return v.numbersAgain(err, f, connectForm)
	}
	v.changed(n.ID, n.Phone.Readable(), nil)
	return v.goTo("/settings/numbers", n.Phone.Readable()+" is connected. Now set the addresses below at Twilio.")
}

func moveNumber(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	n, err := v.Orgs.MoveNumber(v.r.Context(), v.org.ID, v.r.PathValue("id"), f.Get("agent"))
	if err != nil {
		return err
	}
	v.changed(n.ID, n.Phone.Readable(), nil)
	return v.goTo("/settings/numbers", n.Phone.Readable()+" leads to another voice agent now.")
}

func removeNumber(v *visit) error {
	n, err := v.Orgs.RemoveNumber(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.changed(n.ID, n.Phone.Readable(), nil)
	return v.goTo("/settings/numbers", n.Phone.Readable()+" is disconnected. Take the addresses out at Twilio, too.")
}

func setAuthToken(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	sid := f.Get("account")
	if err := v.Orgs.SetAuthToken(v.r.Context(), v.org.ID, sid, f.Get("auth_token")); err != nil {
		return v.numbersAgain(err, f, tokenForm)
	}
	v.changed("", sid, nil)
	return v.goTo("/settings/numbers", "The new auth token is in use.")
}
