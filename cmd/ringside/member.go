package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"ringside/internal/audit"
	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/problem"
)

type memberCommands struct {
	Invite memberInvite `cmd:"" help:"Add somebody, and print the link with which they choose a password."`
	List   memberList   `cmd:"" help:"List who may sign in."`
	Role   memberRole   `cmd:"" help:"Change what somebody may do."`
	Link   memberLink   `cmd:"" help:"Print a new link, for somebody who has lost theirs or forgotten the password."`
	Remove memberRemove `cmd:"" help:"Take somebody out: they can no longer sign in."`
}

// linkFlags say where the dashboard is reached.
type linkFlags struct {
	URL string `help:"Where people reach the dashboard; RINGSIDE_PUBLIC_URL or the listener's address if left out." placeholder:"https://ringside.example.com"`
}

// link is the address that a token is given out in.
func (f *linkFlags) link(a *app, token string) string {
	base := f.URL
	if base == "" {
		base = a.config.PublicURL
	}
	if base == "" {
		base = "http://" + a.config.Listen
	}
	return strings.TrimRight(base, "/") + "/welcome/" + url.PathEscape(token)
}

// shownMember is a member with the link that was made just now.
type shownMember struct {
	member.Member
	Link string `json:"link,omitempty"`
}

// withMembers runs fn with an organisation and its members. What it did is written to the audit log.
func (f *orgFlag) withMembers(a *app, action string, fn func(context.Context, *member.Store, org.Org) (member.Member, error)) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		o, err := f.find(ctx, org.NewStore(db.Pool))
		if err != nil {
			return err
		}
		m, err := fn(ctx, member.NewStore(db.Pool), o)
		if err != nil || action == "" {
			return err
		}
		return audit.NewLog(db.Pool).Record(ctx, audit.Entry{OrgID: o.ID, Actor: audit.Operator(), Action: action, Subject: m.ID, Label: m.Email})
	})
}

// named returns the member with an e-mail address or id.
func named(ctx context.Context, store *member.Store, o org.Org, who string) (member.Member, error) {
	members, err := store.Members(ctx, o.ID)
	if err != nil {
		return member.Member{}, err
	}
	for _, m := range members {
		if strings.EqualFold(m.Email, who) || m.ID == who {
			return m, nil
		}
	}
	return member.Member{}, problem.NotFound("There is no member %q; `ringside member list` shows those there are.", who)
}

type memberInvite struct {
	orgFlag
	Email string `required:"" help:"The e-mail address that they will sign in with." placeholder:"robin@example.com"`
	Name  string `help:"What they are called."`
	Role  string `default:"owner" enum:"owner,member,viewer" help:"owner (everything), member (keeps contacts, campaigns and voice agents) or viewer (looks)."`
	linkFlags
	jsonFlag
}

func (c *memberInvite) Run(a *app) error {
	return c.withMembers(a, "member.invite", func(ctx context.Context, store *member.Store, o org.Org) (member.Member, error) {
		m, token, err := store.Invite(ctx, o.ID, member.Draft{Email: c.Email, Name: c.Name, Role: member.Role(c.Role)})
		if err != nil {
			return m, err
		}
		link := c.link(a, token)
		return m, c.print(a, shownMember{m, link}, "%s\nGive this link to %s: with it they choose a password and sign in. It works once, for 7 days, and is not shown again.", link, m.Email)
	})
}

type memberList struct {
	orgFlag
	jsonFlag
}

func (c *memberList) Run(a *app) error {
	return c.withMembers(a, "", func(ctx context.Context, store *member.Store, o org.Org) (member.Member, error) {
		members, err := store.Members(ctx, o.ID)
		if err != nil {
			return member.Member{}, err
		}
		if c.JSON {
			return member.Member{}, printJSON(a, map[string]any{"members": members})
		}
		if len(members) == 0 {
			fmt.Fprintln(a.out, "Nobody may sign in yet: `ringside member invite --email E` invites the first owner.")
		}
		for _, m := range members {
			seen := "never signed in"
			if m.LastSeenAt != nil {
				seen = "last seen " + m.LastSeenAt.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(a.out, "%s  %-6s  %s  (%s)\n", m.ID, m.Role, m.Email, seen)
		}
		return member.Member{}, nil
	})
}

type memberRole struct {
	Who  string `arg:"" help:"E-mail address or id."`
	Role string `arg:"" enum:"owner,member,viewer" help:"owner, member or viewer."`
	orgFlag
	jsonFlag
}

func (c *memberRole) Run(a *app) error {
	return c.withMembers(a, "member.role", func(ctx context.Context, store *member.Store, o org.Org) (member.Member, error) {
		m, err := named(ctx, store, o, c.Who)
		if err == nil {
			m, err = store.SetRole(ctx, o.ID, m.ID, member.Role(c.Role))
		}
		if err != nil {
			return m, err
		}
		return m, c.print(a, m, "%s is now %s.", m.Email, m.Role)
	})
}

type memberLink struct {
	Who string `arg:"" help:"E-mail address or id."`
	orgFlag
	linkFlags
	jsonFlag
}

func (c *memberLink) Run(a *app) error {
	return c.withMembers(a, "member.link", func(ctx context.Context, store *member.Store, o org.Org) (member.Member, error) {
		m, err := named(ctx, store, o, c.Who)
		if err != nil {
			return m, err
		}
		m, token, err := store.NewLink(ctx, o.ID, m.ID)
		if err != nil {
			return m, err
		}
		link := c.link(a, token)
		return m, c.print(a, shownMember{m, link}, "%s\nGive this link to %s: with it they choose a new password. It works once, for 7 days; earlier links work no more.", link, m.Email)
	})
}

type memberRemove struct {
	Who string `arg:"" help:"E-mail address or id."`
	orgFlag
	jsonFlag
}

func (c *memberRemove) Run(a *app) error {
	return c.withMembers(a, "member.remove", func(ctx context.Context, store *member.Store, o org.Org) (member.Member, error) {
		m, err := named(ctx, store, o, c.Who)
		if err == nil {
			m, err = store.Remove(ctx, o.ID, m.ID)
		}
		if err != nil {
			return m, err
		}
		return m, c.print(a, m, "%s can no longer sign in.", m.Email)
	})
}
