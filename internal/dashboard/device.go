package dashboard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"
)

// deviceCookie says that somebody has signed in with this browser before. Behind a proxy everybody
// comes from one address: without it, whoever guesses somebody's password there would keep that
// person waiting, too. It opens nothing: it only counts wrong passwords apart.
const deviceCookie = "ringside_device"

// deviceLife is how long a browser is remembered after somebody has signed in.
const deviceLife = 365 * 24 * time.Hour

func (d *Dashboard) deviceCookieName() string {
	if d.secure() {
		return "__Host-" + deviceCookie
	}
	return deviceCookie
}

// deviceMark is what only this program can say of a browser and an e-mail address.
func (d *Dashboard) deviceMark(id, email string) string {
	mac := hmac.New(sha256.New, d.ErasureKey)
	mac.Write([]byte("device\n" + strings.ToLower(strings.TrimSpace(email)) + "\n" + id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// remember marks this browser as one in which somebody has signed in.
func (v *visit) remember(email string) {
	id := rand.Text()
	v.setCookie(v.deviceCookieName(), id+"."+v.deviceMark(id, email), time.Now().Add(deviceLife))
}

// place is what wrong passwords for an e-mail address are counted by: the browser, if its owner has
// signed in with it before, else the address that the request came from.
func (v *visit) place(email string) string {
	cookie, err := v.r.Cookie(v.deviceCookieName())
	if err != nil {
		return v.remote()
	}
	id, mark, found := strings.Cut(cookie.Value, ".")
	if !found || id == "" || len(id) > 64 || !hmac.Equal([]byte(mark), []byte(v.deviceMark(id, email))) {
		return v.remote()
	}
	return "browser " + id
}
