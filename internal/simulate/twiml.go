package simulate

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"mime"
	"strings"
)

// Element is one element of a TwiML document. Names are case-sensitive, as for Twilio.
type Element struct {
	Name     string            `json:"name"`
	Attr     map[string]string `json:"attr,omitempty"`
	Text     string            `json:"text,omitempty"` // its own text, without its children's, trimmed
	Children []Element         `json:"children,omitempty"`
}

// Child returns the first child of that name, and whether there is one.
func (e Element) Child(name string) (Element, bool) {
	for _, c := range e.Children {
		if c.Name == name {
			return c, true
		}
	}
	return Element{}, false
}

// ParseTwiML reads a TwiML document strictly and returns its <Response>. Anything else is an
// [*Error] with code 12100: XML that is not well-formed, another root, a second root, text outside
// it, an attribute given twice.
func ParseTwiML(document []byte) (Element, error) {
	root, err := parseTwiML(document)
	if err != nil {
		return Element{}, &Error{Code: CodeBadTwiML, Detail: "the document cannot be read as TwiML", Err: err}
	}
	return root, nil
}

func parseTwiML(document []byte) (Element, error) {
	d := xml.NewDecoder(bytes.NewReader(document))
	open := []Element{{}} // open[0] stands for the document and collects the root
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Element{}, err
		}
		top := &open[len(open)-1]
		switch token := token.(type) {
		case xml.StartElement:
			e, err := element(token)
			if err != nil {
				return Element{}, err
			}
			open = append(open, e)
		case xml.EndElement:
			closed := *top
			closed.Text = strings.TrimSpace(closed.Text)
			open = open[:len(open)-1]
			parent := &open[len(open)-1]
			parent.Children = append(parent.Children, closed)
		case xml.CharData:
			top.Text += string(token)
		}
	}
	whole := open[0]
	switch {
	case strings.TrimSpace(whole.Text) != "":
		return Element{}, errors.New("text outside <Response>")
	case len(whole.Children) != 1 || whole.Children[0].Name != "Response":
		return Element{}, errors.New("the root must be one <Response>")
	}
	return whole.Children[0], nil
}

func element(start xml.StartElement) (Element, error) {
	e := Element{Name: qualified(start.Name)}
	for _, a := range start.Attr {
		name := qualified(a.Name)
		if _, twice := e.Attr[name]; twice {
			return e, errors.New("attribute " + name + " of <" + e.Name + "> is given twice")
		}
		if e.Attr == nil {
			e.Attr = map[string]string{}
		}
		e.Attr[name] = a.Value
	}
	return e, nil
}

// qualified keeps a prefix, so that a prefixed name is none that Twilio knows.
func qualified(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

// instructions turns the answer to a webhook into TwiML, by its content type (Twilio: TwiML for
// Programmable Voice, "Interpreting TwiML"): XML and HTML are TwiML, plain text is TwiML or else
// read aloud, audio is played.
func instructions(w Webhook) (Element, *Error) {
	r := Response{Status: w.Status, Body: w.Body, URL: w.url}
	if err := r.usable(); err != nil {
		return Element{}, err
	}
	kind, _, err := mime.ParseMediaType(w.header.Get("Content-Type"))
	root, parseErr := ParseTwiML(w.Body)
	switch {
	case err != nil:
		return Element{}, &Error{Code: CodeContentType, URL: w.url, Status: w.Status, Detail: "answered without a readable Content-Type"}
	case strings.HasPrefix(kind, "audio/"):
		return response(Element{Name: "Play", Text: w.url}), nil
	case kind == "text/plain" && parseErr != nil:
		return response(Element{Name: "Say", Text: strings.TrimSpace(string(w.Body))}), nil
	case kind != "text/xml" && kind != "application/xml" && kind != "text/html" && kind != "text/plain":
		return Element{}, &Error{Code: CodeContentType, URL: w.url, Status: w.Status, Detail: "answered with " + kind}
	}
	if parseErr != nil {
		bad, _ := errors.AsType[*Error](parseErr)
		bad.URL, bad.Status = w.url, w.Status
		return Element{}, bad
	}
	return root, nil
}

func response(verb Element) Element {
	return Element{Name: "Response", Children: []Element{verb}}
}
