package dashboard

import (
	"encoding/base64"
	"encoding/json"
	"time"
)

// onceCookie carries what is shown once, such as a new key, from the form that made it to the page
// that shows it: reloading that page neither shows it again nor makes another.
const onceCookie = "ringside_once"

// onceLife is how long the browser may take from the one to the other.
const onceLife = time.Minute

func (d *Dashboard) onceCookieName() string {
	if d.secure() {
		return "__Host-" + onceCookie
	}
	return onceCookie
}

// goShow sends the browser to a page that shows a secret once.
func (v *visit) goShow(path string, secret any) error {
	body, err := json.Marshal(secret)
	if err != nil {
		return err
	}
	v.setCookie(v.onceCookieName(), base64.RawURLEncoding.EncodeToString(body), time.Now().Add(onceLife))
	return v.goTo(path, "")
}

// shown reads what is to be shown once into secret, which stays as it is if there is nothing.
func (v *visit) shown(secret any) {
	cookie, err := v.r.Cookie(v.onceCookieName())
	if err != nil {
		return
	}
	v.setCookie(v.onceCookieName(), "", time.Unix(1, 0))
	if body, err := base64.RawURLEncoding.DecodeString(cookie.Value); err == nil {
		_ = json.Unmarshal(body, secret) // what is no secret of ours shows nothing
	}
}
