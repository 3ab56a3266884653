package contacts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres"
)

// Capture is what an agent heard from the caller and asks to be kept.
type Capture struct {
	Org     org.Org
	CallSID string
	Phone   phone.Number // whose it is: the call's number; "" if the caller has none
	// OtherPhone is a number that the agent says, explicitly, is another one than the call's.
	OtherPhone         string
	Name, Email, Notes string
	At                 time.Time
	// CallOnly keeps the capture with the call and off the address book, for the given reason:
	// the caller is not who the number says, or the number cannot be trusted.
	CallOnly string
}

// CaptureResult is what the agent is told. It never says saved of what is not.
type CaptureResult struct {
	OK bool `json:"ok"`
	// Saved are the fields now in the address book; Kept those that were left as they were there,
	// such as after a person's own edit.
	Saved     []string `json:"saved,omitempty"`
	Kept      []string `json:"kept,omitempty"`
	ContactID string   `json:"contact_id,omitempty"`
	// NeedsReadback asks the agent to read the e-mail address back to the caller.
	NeedsReadback bool   `json:"needs_readback,omitempty"`
	Code          string `json:"code,omitempty"` // for a program, where not OK
	Message       string `json:"message"`        // for the agent's model
}

// maxCapturedNotes bounds what one capture may add to somebody's notes, in characters.
const maxCapturedNotes = 2000

// Capture keeps what a caller told the agent. The phone is the call's; what a model says is a phone
// counts only where it is explicitly another one. The same call saying the same again gets the
// first answer and changes nothing. A person's edit is never overwritten, and a placeholder is no
// name. The contact is made if there is none, whatever the plan's limit (rule 4).
//
// Refusals that the agent can do something about are results with OK false; an error means that
// nothing is known to be saved.
func (b *Book) Capture(ctx context.Context, c Capture) (CaptureResult, error) {
	c.Name, c.Email, c.Notes = cut(tidy(c.Name), MaxName), strings.TrimSpace(c.Email), cut(tidy(c.Notes), maxCapturedNotes)
	if !RealName(c.Name) {
		c.Name = ""
	}
	verdict := EmailVerdict{Valid: true}
	if c.Email != "" {
		verdict = CheckEmail(c.Email)
	}
	switch {
	case c.Name == "" && c.Email == "" && c.Notes == "":
		return CaptureResult{Code: "nothing_to_save", Message: "Nothing was given that can be saved: send a real name, an email or notes."}, nil
	case !verdict.Valid:
		return CaptureResult{Code: "invalid_email", NeedsReadback: true, Message: verdict.Reason + " Nothing was saved; ask for it again."}, nil
	case c.CallOnly != "":
		return CaptureResult{OK: true, NeedsReadback: verdict.Doubtful, Message: c.CallOnly}, nil
	}
	target := c.Phone
	if c.OtherPhone != "" {
		other, err := phone.Parse(c.OtherPhone, c.Org.Country)
		if err != nil {
			return CaptureResult{Code: "invalid_phone", Message: err.Error() + ". Nothing was saved."}, nil
		}
		target = other
	}
	if target == "" {
		return CaptureResult{Code: "no_number", Message: "The caller's number is withheld or is no person's number, so there is nobody to save this to. It is kept with the call."}, nil
	}
	result, err := b.capture(ctx, c, target, verdict)
	for range 3 {
		if !errors.Is(err, errMerged) {
			break
		}
		result, err = b.capture(ctx, c, target, verdict)
	}
	if err != nil {
		return CaptureResult{}, fmt.Errorf("capture contact: %w", err)
	}
	return result, nil
}

func (b *Book) capture(ctx context.Context, c Capture, target phone.Number, verdict EmailVerdict) (result CaptureResult, err error) {
	digest := c.digest(target)
	fenced, err := numbersOf(ctx, b.pool, c.Org.ID, target)
	if err != nil {
		return result, err
	}
	raise := func(ctx context.Context) bool { return b.fence.Raise(ctx, c.Org.ID, fenced...) }
	err = postgres.Fenced(ctx, b.pool, raise, func(ctx context.Context, tx pgx.Tx) error {
		// One capture of a call at a time: the second waits here and then finds the first.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('capture ' || $1 || ' ' || $2, 0))`, c.Org.ID, c.CallSID); err != nil {
			return err
		}
		var earlier []byte
		err := tx.QueryRow(ctx, `
			SELECT result FROM captures WHERE org_id = $1::text::uuid AND sid = $2 AND digest = $3`,
			c.Org.ID, c.CallSID, digest).Scan(&earlier)
		if err == nil {
			return json.Unmarshal(earlier, &result)
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if result, err = keepCapture(ctx, tx, c, target); err != nil {
			return err
		}
		if now, err := numbersOf(ctx, tx, c.Org.ID, target); err != nil || !slices.Equal(now, fenced) {
			return errors.Join(err, errMerged)
		}
		result.NeedsReadback = verdict.Doubtful
		result.Message = result.sentence(verdict)
		_, err = tx.Exec(ctx, `INSERT INTO captures (org_id, sid, digest, result) VALUES ($1::text::uuid, $2, $3, $4)`,
			c.Org.ID, c.CallSID, digest, result)
		return err
	})
	return result, err
}

// errMerged is a capture for somebody who was merged at the same moment.
var errMerged = errors.New("the contact was merged or changed at the same moment")

// numbersOf returns all numbers of whoever has a number: what is cached of them is cached under each.
func numbersOf(ctx context.Context, q interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, id org.ID, n phone.Number) (numbers []phone.Number, err error) {
	err = q.QueryRow(ctx, `SELECT coalesce((SELECT phone || other_phones FROM contacts WHERE id = `+holderSQL+`), ARRAY[$2::text])`, id, n).Scan(&numbers)
	return numbers, err
}

// keepCapture writes the capture into the number's contact by rule 3, or makes one.
func keepCapture(ctx context.Context, tx pgx.Tx, c Capture, target phone.Number) (CaptureResult, error) {
	own, err := isOwn(ctx, tx, c.Org.ID, target)
	if err != nil || own {
		return CaptureResult{Code: "own_number"}, err
	}
	for {
		result, found, err := mergeInto(ctx, tx, c, target)
		if err != nil || found {
			return result, err
		}
		if result, found, err = insertCaptured(ctx, tx, c, target); err != nil || found {
			return result, err
		}
		// Another transaction added the contact between the two statements: it is there now.
	}
}

// mergeInto brings the active contact up to date. found is false if there is none.
func mergeInto(ctx context.Context, tx pgx.Tx, c Capture, target phone.Number) (r CaptureResult, found bool, err error) {
	var held struct {
		name, email, notes                  string
		realName                            bool
		nameYields, emailYields, notesYield bool
	}
	err = tx.QueryRow(ctx, `
		SELECT id::text, name, coalesce(email, ''), notes, ringside_real_name(name),
			ringside_wins('capture', $3, name_source, name_at), ringside_wins('capture', $3, email_source, email_at),
			ringside_wins('capture', $3, notes_source, notes_at)
		FROM contacts WHERE id = `+holderSQL+` AND archived_at IS NULL FOR UPDATE`, c.Org.ID, target, c.At).
		Scan(&r.ContactID, &held.name, &held.email, &held.notes, &held.realName, &held.nameYields, &held.emailYields, &held.notesYield)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, false, nil
	}
	if err != nil {
		return r, false, err
	}
	r.OK = true
	weigh := func(field, given, held string, yields bool) (value string) {
		switch {
		case given == "":
			return ""
		case yields: // also where it is the same: from now on it is what the caller said
			r.Saved = append(r.Saved, field)
			return given
		case given == held:
			r.Saved = append(r.Saved, field)
			return ""
		}
		r.Kept = append(r.Kept, field)
		return ""
	}
	sum := addLine(held.notes, c.Notes)
	name := weigh("name", c.Name, held.name, !held.realName || held.nameYields)
	email := weigh("email", c.Email, held.email, held.email == "" || held.emailYields)
	notes := weigh("notes", sum, held.notes, (held.notes == "" || held.notesYield) && utf8.RuneCountInString(sum) <= MaxNotes)
	if name+email+notes == "" {
		return r, true, nil
	}
	// The time moves on even if the capture was observed at the very time of the held value: a
	// value that changes while its source and time do not is taken for a person's edit.
	_, err = tx.Exec(ctx, `
		UPDATE contacts SET
			name = coalesce(nullif($2, ''), name), name_source = CASE $2 WHEN '' THEN name_source ELSE 'capture' END,
			name_at = CASE $2 WHEN '' THEN name_at ELSE greatest($5, name_at + interval '1 microsecond') END,
			email = coalesce(nullif($3, ''), email), email_source = CASE $3 WHEN '' THEN email_source ELSE 'capture' END,
			email_at = CASE $3 WHEN '' THEN email_at ELSE greatest($5, email_at + interval '1 microsecond') END,
			notes = coalesce(nullif($4, ''), notes), notes_source = CASE $4 WHEN '' THEN notes_source ELSE 'capture' END,
			notes_at = CASE $4 WHEN '' THEN notes_at ELSE greatest($5, notes_at + interval '1 microsecond') END
		WHERE id = $1::text::uuid`, r.ContactID, name, email, notes, c.At)
	return r, true, err
}

// addLine returns notes with a line added, unless they have it already: one caller's words add up.
// No line is "".
func addLine(notes, line string) string {
	switch {
	case line == "":
		return ""
	case notes == "":
		return line
	case slices.Contains(strings.Split(notes, "\n"), line):
		return notes
	}
	return notes + "\n" + line
}

// insertCaptured makes the contact. found is false if another transaction was first.
func insertCaptured(ctx context.Context, tx pgx.Tx, c Capture, target phone.Number) (r CaptureResult, found bool, err error) {
	err = tx.QueryRow(ctx, `
		INSERT INTO contacts (org_id, source, phone, name, name_source, name_at, email, email_source, email_at, notes, notes_source, notes_at,
			tags_source, tags_at)
		SELECT $1::text::uuid, 'capture', $2, coalesce(nullif($3, ''), $2), CASE $3 WHEN '' THEN 'auto' ELSE 'capture' END, $6,
			nullif($4, ''), CASE $4 WHEN '' THEN 'auto' ELSE 'capture' END, $6,
			$5, CASE $5 WHEN '' THEN 'auto' ELSE 'capture' END, $6, 'auto', $6
		WHERE `+holderSQL+` IS NULL
		ON CONFLICT (org_id, phone) WHERE archived_at IS NULL DO NOTHING RETURNING id::text`,
		c.Org.ID, target, c.Name, c.Email, c.Notes, c.At).Scan(&r.ContactID)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, false, nil
	}
	for _, f := range []struct{ field, value string }{{"name", c.Name}, {"email", c.Email}, {"notes", c.Notes}} {
		if f.value != "" {
			r.Saved = append(r.Saved, f.field)
		}
	}
	r.OK = true
	return r, true, err
}

// digest identifies what is captured, whatever id the agent gave the request.
func (c Capture) digest(target phone.Number) string {
	sum := sha256.New()
	for _, part := range []string{string(target), c.Name, strings.ToLower(c.Email), c.Notes} {
		fmt.Fprintf(sum, "%d:%s;", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func (r CaptureResult) sentence(verdict EmailVerdict) string {
	var s strings.Builder
	switch {
	case r.Code == "own_number":
		return "That is one of the organisation's own numbers; nothing was saved."
	case len(r.Saved) > 0:
		s.WriteString("Saved: " + strings.Join(r.Saved, ", ") + ".")
	}
	if len(r.Kept) > 0 {
		if s.Len() > 0 {
			s.WriteByte(' ')
		}
		s.WriteString("Left as it was in the address book: " + strings.Join(r.Kept, ", ") + ".")
	}
	if verdict.Doubtful {
		s.WriteString(" " + verdict.Reason)
	}
	return s.String()
}
