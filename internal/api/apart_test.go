package api_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
)

// bodies are what an operation that names a row wants besides; the others take none.
var bodies = map[string]string{
	"changeContact": `{"name": "Stolen"}`, "addCampaignPerson": `{"phone": "+14155550101", "name": "Planted"}`, "changeCampaignPerson": `{"name": "Stolen"}`,
	"mergeContacts": `{"with": "` + ours + `"}`, "changeCampaignCalling": `{"per_minute": 1}`, "importCampaignPeople": "name,phone\nPlanted,+14155550101\n",
}

const (
	ours   = "11111111-1111-4111-8111-111111111111"
	theirs = "22222222-2222-4222-8222-222222222222"
	nobody = "33333333-3333-4333-8333-333333333333"
)

// notHere are paths of parts that this package's tests do not set up. What they do in the database is tried
// by cmd/ringside: TestNoMethodReachesAnotherOrganisation.
var notHere = []string{"/outgoing/", "/calling", "/start", "/pause", "/resume", "/stop"}

// A key of one organisation gets nowhere with the ids of another: every operation that names a row answers as if
// there were no such row, word for word, so that not even its being there can be found out by trying ids.
func TestIdsOfAnotherOrganisationLeadNowhere(t *testing.T) {
	t.Parallel()
	o := open(t)
	pgtest.Furnish(t, o.pool, ours, 1)
	pgtest.Furnish(t, o.pool, theirs, 2)
	_, key, err := org.NewStore(o.pool).CreateKey(t.Context(), ours, "ours")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, content string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), method, o.url+path, strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+key)
		request.Header.Set("Content-Type", "application/json")
		if strings.HasSuffix(path, "/import") {
			request.Header.Set("Content-Type", "text/csv")
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	tried := 0
	for path, item := range loadDocument(t).Paths.Map() {
		if !strings.Contains(path, "{") {
			continue
		}
		for method, op := range item.Operations() {
			if slices.ContainsFunc(notHere, func(part string) bool { return strings.Contains(path, part) }) {
				continue
			}
			at := func(id string) string {
				return strings.NewReplacer("{id}", id, "{person}", id, "{sid}", id).Replace(path)
			}
			status, answer := ask(method, at(theirs), bodies[op.OperationID])
			ghostStatus, ghost := ask(method, at(nobody), bodies[op.OperationID])
			if strings.Contains(answer, "arked2") || strings.Contains(answer, "+1415555") {
				t.Errorf("%s tells of another organisation: %s", op.OperationID, answer)
			}
			// A list of what belongs to somebody who is not there is empty.
			empty := status == http.StatusOK && strings.Contains(answer, "[]")
			if status != http.StatusNotFound && !empty {
				t.Errorf("%s with another organisation's id is answered %d %s", op.OperationID, status, answer)
			}
			if same := strings.ReplaceAll(answer, theirs, nobody); status != ghostStatus || same != ghost {
				t.Errorf("%s tells an id of another organisation from one that nobody has:\n%d %s\n%d %s", op.OperationID, status, answer, ghostStatus, ghost)
			}
			tried++
		}
	}
	if tried < 15 {
		t.Errorf("%d operations were tried", tried)
	}
	var left int
	if err := o.pool.QueryRow(t.Context(), `SELECT count(*) FROM contacts WHERE org_id = $1 AND archived_at IS NULL AND name LIKE 'Marked2%'`, theirs).Scan(&left); err != nil || left != 2 {
		t.Errorf("%d of their contacts are as they were: %v", left, err)
	}
}
