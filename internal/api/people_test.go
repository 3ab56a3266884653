package api_test

import (
	"testing"
)

// Two contacts become one and two again, as a client sees it.
func TestMergeAndUndo(t *testing.T) {
	t.Parallel()
	o := open(t)
	older := o.book(t, 201, "POST", "/v1/contacts", `{"name": "Alex Chen", "phone": "+14155551200", "tags": ["vip"]}`)["id"].(string)
	newer := o.book(t, 201, "POST", "/v1/contacts", `{"name": "Alex Chen", "phone": "+12025550133", "email": "alex@acme.io"}`)["id"].(string)
	merge := o.book(t, 200, "POST", "/v1/contacts/"+newer+"/merge", `{"with": "`+older+`"}`)
	contact := merge["contact"].(map[string]any)
	if contact["id"] != older || merge["merged_id"] != newer || contact["email"] != "alex@acme.io" || contact["other_phones"].([]any)[0] != "+12025550133" {
		t.Errorf("merged into %v", merge)
	}
	if gone := o.book(t, 200, "GET", "/v1/contacts/"+newer, ""); gone["merged_into"] != older {
		t.Errorf("the other one is %v", gone)
	}
	if p := o.book(t, 409, "POST", "/v1/contacts", `{"name": "Alex", "phone": "202-555-0133"}`); p["id"] != older || p["code"] != "duplicate_phone" {
		t.Errorf("its number again: %v", p)
	}
	undo := "/v1/merges/" + merge["id"].(string) + "/undo"
	if response, body := o.ask(t, "POST", undo, "Bearer "+o.other); response.StatusCode != 404 {
		t.Errorf("another organisation is answered %d %v", response.StatusCode, body)
	}
	undone := o.book(t, 200, "POST", undo, "")
	if undone["kept"].(map[string]any)["email"] != "" || undone["restored"].(map[string]any)["id"] != newer {
		t.Errorf("undone into %v", undone)
	}
	o.book(t, 409, "POST", undo, "")
	o.book(t, 422, "POST", "/v1/contacts/"+older+"/merge", `{}`)
	o.book(t, 422, "POST", "/v1/contacts/"+older+"/merge", `{"with": "`+older+`"}`)
	o.book(t, 404, "POST", "/v1/contacts/"+older+"/merge", `{"with": "6f1c2f0e-8a49-4c1e-9d0a-3b1d1b7a2c11"}`)
}

// A person is erased, and what stays is the receipt.
func TestErase(t *testing.T) {
	t.Parallel()
	o := open(t)
	path := "/v1/contacts/" + o.book(t, 201, "POST", "/v1/contacts", `{"name": "Alex Chen", "phone": "+14155551200"}`)["id"].(string)
	if response, body := o.ask(t, "POST", path+"/erase", "Bearer "+o.other); response.StatusCode != 404 {
		t.Errorf("another organisation is answered %d %v", response.StatusCode, body)
	}
	receipt := o.book(t, 200, "POST", path+"/erase", "")
	if removed := receipt["removed"].(map[string]any); removed["contacts"] != 1. || len(receipt["hashes"].([]any)) != 1 {
		t.Errorf("the receipt is %v", receipt)
	}
	if kept := o.book(t, 200, "GET", "/v1/erasures/"+receipt["id"].(string), ""); kept["contact_id"] != receipt["contact_id"] {
		t.Errorf("the receipt is kept as %v", kept)
	}
	o.book(t, 404, "GET", path, "")
	o.book(t, 404, "POST", path+"/erase", "")
	if found := o.book(t, 200, "GET", "/v1/contacts", ""); found["total"] != 0. {
		t.Errorf("found %v", found)
	}
	o.book(t, 201, "POST", "/v1/contacts", `{"name": "Alex Chen", "phone": "+14155551200"}`) // by a person's hand they may come back
}
