package dashboard

import (
	"errors"
	"time"

	"ringside/internal/member"
	"ringside/internal/org"
)

// keysPage is the API keys in use.
type keysPage struct {
	frame
	Form form
	Rows []keyRow
	// Plain is a key that was made just now; it is shown this once.
	Plain, Name string
	Old         moment // until when the one goes on that it replaces
}

func (*keysPage) template() string { return "keys" }

// keyRow is a key in the list.
type keyRow struct {
	org.Key
	Ends moment
}

// scope is what a key may be used for.
type scope struct{ Name, Words string }

// Scopes are what keys may be used for.
func (*keysPage) Scopes() []scope {
	return []scope{{"read", "read contacts, calls and campaigns"}, {"write", "change contacts and campaigns, call and write to people"}, {"tools", "the voice agent's tools during calls"}, {"events", "hear of calls and messages as they happen, and act on them"}}
}

func (d *Dashboard) keyRoutes() []route {
	return []route{
		{method: "GET", path: "/settings/keys", role: member.Owner, serve: showKeys},
		{method: "POST", path: "/settings/keys", role: member.Owner, action: "key.create", serve: createKey},
		{method: "POST", path: "/settings/keys/{id}/rotate", role: member.Owner, action: "key.rotate", serve: rotateKey},
		{method: "POST", path: "/settings/keys/{id}/revoke", role: member.Owner, action: "key.revoke", serve: revokeKey},
	}
}

func (v *visit) keysPage() (*keysPage, error) {
	keys, err := v.Orgs.Keys(v.r.Context(), v.org.ID)
	if err != nil {
		return nil, err
	}
	p := &keysPage{frame: settingsFrame("API keys", "keys")}
	p.Wide, p.Zone = true, v.zone()
	for _, k := range keys {
		p.Rows = append(p.Rows, keyRow{k, p.Moment(k.ExpiresAt)})
	}
	return p, nil
}

func showKeys(v *visit) error {
	p, err := v.keysPage()
	if err != nil {
		return err
	}
	var made newKey
	v.shown(&made)
	p.Plain, p.Name = made.Plain, made.Name
	if !made.Old.IsZero() {
		p.Old = p.Moment(made.Old)
	}
	return v.ok(p)
}

func createKey(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	key, plain, err := v.Orgs.CreateKey(v.r.Context(), v.org.ID, f.Get("name"), f.Values["scope"]...)
	if err != nil {
		p, pageErr := v.keysPage()
		if pageErr != nil {
			return errors.Join(err, pageErr)
		}
		p.Form = f
		return v.again(err, &p.Form, p)
	}
	v.changed(key.ID, key.Name, map[string]any{"scopes": key.Scopes})
	return v.showKey(key, plain, time.Time{})
}

// newKey is a key that was made just now.
type newKey struct {
	Plain, Name string
	Old         time.Time // until when the one goes on that it replaces; zero: there is none
}

// showKey shows a key that was made just now.
func (v *visit) showKey(key org.Key, plain string, old time.Time) error {
	return v.goShow("/settings/keys", newKey{plain, key.Name, old})
}

// keyGrace is how long a key that is replaced goes on, so that whoever uses it can change over.
const keyGrace = 24 * time.Hour

func rotateKey(v *visit) error {
	key, plain, ends, err := v.Orgs.RotateKey(v.r.Context(), v.org.ID, v.r.PathValue("id"), keyGrace)
	if err != nil {
		return err
	}
	v.changed(key.ID, key.Name, nil)
	return v.showKey(key, plain, ends)
}

func revokeKey(v *visit) error {
	id := v.r.PathValue("id")
	keys, err := v.Orgs.Keys(v.r.Context(), v.org.ID)
	if err != nil {
		return err
	}
	if err := v.Orgs.RevokeKey(v.r.Context(), v.org.ID, id); err != nil {
		return err
	}
	name := ""
	for _, k := range keys {
		if k.ID == id {
			name = k.Name
		}
	}
	v.changed(id, name, nil)
	return v.goTo("/settings/keys", "The key works no more.")
}
