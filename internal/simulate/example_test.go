package simulate_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"ringside/internal/simulate"
)

func ExampleTwilio_Place() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		io.WriteString(w, `<Response><Say>Hello, `+r.FormValue("From")+`!</Say></Response>`)
	}))
	defer server.Close()

	twilio := &simulate.Twilio{BaseURL: server.URL, AuthToken: "12345"}
	outcome, err := twilio.Place(context.Background(), simulate.Call{From: "+14155550123", To: "+12125550199"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(outcome.Heard, outcome.Status)
	// Output: [Hello, +14155550123!] completed
}
