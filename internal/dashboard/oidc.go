package dashboard

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"ringside/internal/problem"
)

// OIDC is an identity provider by which members sign in (OpenID Connect Core 1.0, code flow with
// PKCE). It says who somebody is; who is a member, and what they may do, is kept here.
type OIDC struct {
	Issuer, ClientID, ClientSecret string

	mu       sync.Mutex
	provider *oidc.Provider // nil until it was asked for the first time
	failed   time.Time      // when it could not be asked
}

const (
	oidcPath   = "/signin/oidc"
	oidcCookie = "ringside_oidc"
	// oidcWithin bounds what is asked of the provider, oidcLife how long somebody may take there.
	oidcWithin = 10 * time.Second
	oidcLife   = 15 * time.Minute
	// oidcPause is how long a provider that could not be asked is left alone.
	oidcPause = 5 * time.Second
)

// oidcAttempt is what the browser keeps while somebody is at the provider.
type oidcAttempt struct {
	State, Nonce, Verifier, Next string
}

func (d *Dashboard) oidcRoutes() []route {
	if d.OIDC == nil {
		return nil
	}
	return []route{
		{method: "GET", path: oidcPath, serve: beginOIDC},
		{method: "GET", path: oidcPath + "/return", serve: endOIDC},
	}
}

// open returns the provider and our part in the flow. The provider is asked for its addresses when
// the first member signs in by it: while it is away nothing else is the worse for it.
func (o *OIDC) open(ctx context.Context, redirect string) (*oidc.Provider, *oauth2.Config, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.provider == nil && time.Since(o.failed) < oidcPause {
		return nil, nil, fmt.Errorf("the identity provider %s could not be asked a moment ago", o.Issuer)
	}
	if o.provider == nil {
		// The provider keeps the context for fetching its keys later.
		provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), oidcClient), o.Issuer)
		if err != nil {
			o.failed = time.Now()
			return nil, nil, fmt.Errorf("ask the identity provider %s for its addresses: %w", o.Issuer, err)
		}
		o.provider = provider
	}
	return o.provider, &oauth2.Config{ClientID: o.ClientID, ClientSecret: o.ClientSecret, Endpoint: o.provider.Endpoint(),
		RedirectURL: redirect, Scopes: []string{oidc.ScopeOpenID, "email"}}, nil
}

var oidcClient = &http.Client{Timeout: oidcWithin}

func (v *visit) openOIDC() (*oidc.Provider, *oauth2.Config, error) {
	provider, config, err := v.OIDC.open(v.r.Context(), v.PublicURL.Webhook(oidcPath+"/return"))
	if err != nil {
		v.Log.Error("nobody can sign in by the identity provider", "error", err)
		return nil, nil, problem.New(problem.CodeUnavailable, "The identity provider cannot be reached just now. Try again in a moment, or sign in with your password.")
	}
	return provider, config, nil
}

// oidcCookieName has the prefix of the session's: see sessionCookieName.
func (d *Dashboard) oidcCookieName() string {
	if d.secure() {
		return "__Host-" + oidcCookie
	}
	return oidcCookie
}

// beginOIDC sends the browser to the provider.
func beginOIDC(v *visit) error {
	_, config, err := v.openOIDC()
	if err != nil {
		return err
	}
	a := oidcAttempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: local(v.r.URL.Query().Get("next"))}
	kept, _ := json.Marshal(a) // texts always marshal
	v.setCookie(v.oidcCookieName(), base64.RawURLEncoding.EncodeToString(kept), time.Now().Add(oidcLife))
	http.Redirect(v.w, v.r, config.AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), http.StatusSeeOther)
	return nil
}

// errStale says that what came back does not belong to what this browser began.
func errStale() error {
	return problem.New(problem.CodeForbidden, "This does not belong to a sign-in that was begun in this browser a moment ago. Sign in again.")
}

// attempt returns what this browser keeps of the sign-in that it began, once.
func (v *visit) attempt() (a oidcAttempt, err error) {
	cookie, err := v.r.Cookie(v.oidcCookieName())
	if err != nil {
		return a, errStale()
	}
	v.setCookie(v.oidcCookieName(), "", time.Unix(1, 0))
	kept, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || json.Unmarshal(kept, &a) != nil || a.State == "" {
		return a, errStale()
	}
	if subtle.ConstantTimeCompare([]byte(a.State), []byte(v.r.URL.Query().Get("state"))) != 1 {
		return a, errStale()
	}
	return a, nil
}

// endOIDC signs in whom the provider names, if they are a member.
func endOIDC(v *visit) error {
	a, err := v.attempt()
	if err != nil {
		return err
	}
	if v.r.URL.Query().Get("error") != "" {
		return problem.New(problem.CodeForbidden, "The identity provider did not sign you in. Try again, or ask whoever runs it.")
	}
	email, err := v.oidcEmail(a)
	if err != nil {
		return err
	}
	m, err := v.Members.ByEmail(v.r.Context(), email)
	if err != nil {
		return err
	}
	if err := v.signIn(m); err != nil {
		return err
	}
	return v.goTo(local(a.Next), "")
}

// oidcEmail exchanges the code for the address that the provider has verified.
func (v *visit) oidcEmail(a oidcAttempt) (string, error) {
	provider, config, err := v.openOIDC()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(v.r.Context(), oidcClient), oidcWithin)
	defer cancel()
	refused := func(err error) (string, error) {
		v.Log.Warn("somebody could not be signed in by the identity provider", "error", err)
		return "", problem.New(problem.CodeForbidden, "The identity provider's answer could not be used. Sign in again; if it stays, tell whoever runs Ringside.")
	}
	token, err := config.Exchange(ctx, v.r.URL.Query().Get("code"), oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return refused(fmt.Errorf("exchange the code: %w", err))
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return refused(errors.New("there is no ID token"))
	}
	id, err := provider.Verifier(&oidc.Config{ClientID: v.OIDC.ClientID}).Verify(ctx, raw)
	if err != nil {
		return refused(fmt.Errorf("verify the ID token: %w", err))
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(a.Nonce)) != 1 {
		return refused(errors.New("the nonce is another one"))
	}
	var claims struct {
		Email    string `json:"email"`
		Verified any    `json:"email_verified"` // some providers send a text
	}
	if err := id.Claims(&claims); err != nil {
		return refused(fmt.Errorf("read the claims: %w", err))
	}
	if claims.Email == "" || claims.Verified != true && claims.Verified != "true" {
		return "", problem.New(problem.CodeForbidden, "The identity provider has not verified your e-mail address, so it is not known whether it is yours.")
	}
	return claims.Email, nil
}
