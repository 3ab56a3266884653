package main

import (
	"fmt"
	"strings"
	"time"
)

// person is somebody of the address book that is measured. The n-th is always the same, and has a
// phone that nobody else has.
type person struct {
	name, email, notes string
	phone              string // as the book keeps it
	written            string // as people write it
	tags               []string
	contacted          *time.Time
}

// The tags that searches look for.
const (
	tagCommon = "vip"   // of one in ten
	tagRare   = "board" // of one in five hundred
)

var (
	firstNames = strings.Fields(`James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard
		Susan Joseph Jessica Thomas Sarah Charles Karen Christopher Lisa Daniel Nancy Matthew Betty Anthony Sandra Mark Margaret
		Donald Ashley Steven Kimberly Andrew Emily Paul Donna Joshua Michelle Kenneth Carol Kevin Amanda Brian Melissa George Deborah
		José María Zoë André Renée Jürgen Søren Łukasz François Chloé Wei Mei Hiroshi Yuki Priya Arjun Fatima Omar Ngozi Kwame`)
	lastNames = strings.Fields(`Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez
		Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis Robinson Walker
		Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson Baker Hall Rivera Campbell Mitchell Carter Roberts
		Müller Schäfer Dvořák Nuñez O'Brien D'Souza Chen Wang Kim Patel Singh Khan Okafor Mensah`)
	syllables = strings.Fields(`ka vo len ski mar tin da ro bel mon te ri zan go lu per ha no wi ber sto ck ema qui tor fi nez ul va
		dra xo py jen bru os ty gra mel chi pan sor`)
	domains = []string{"gmail.com", "gmail.com", "gmail.com", "yahoo.com", "outlook.com", "icloud.com", "example.com", "acme.io", "mail.example.org"}
	notes   = []string{"Prefers morning calls.", "Asked about the pricing of the larger plan.", "Met at the fair in Denver; wants a demo for her team of twelve in the second quarter."}
)

// lastContact is when somebody called last, for those who did.
var lastContact = time.Date(2026, time.May, 1, 9, 0, 0, 0, time.UTC)

// somebody returns the n-th person.
func somebody(n int) person {
	r := mixed(n)
	pick := func(from []string) string {
		i := r % uint64(len(from))
		r = mixed(int(r >> 1))
		return from[i]
	}
	var p person
	p.phone, p.written = numberOf(n)
	first, last := pick(firstNames), pick(lastNames)
	if n%3 == 0 {
		last = rareName(n)
	}
	p.name = first + " " + last
	if n%5 != 0 {
		p.email = fmt.Sprintf("%s.%s%d@%s", ascii(first), ascii(last), n%1000, pick(domains))
	}
	if n%10 == 1 {
		p.tags = append(p.tags, tagCommon)
	}
	if n%4 == 3 {
		p.tags = append(p.tags, "returning")
	}
	if n%500 == 2 {
		p.tags = append(p.tags, tagRare)
	}
	if n%3 == 1 {
		p.notes = pick(notes)
	}
	if n%7 == 0 {
		at := lastContact.Add(-time.Duration(r%(1<<20)) * 20 * time.Second)
		p.contacted = &at
	}
	return p
}

// rareName is a last name that few have.
func rareName(n int) string {
	var b strings.Builder
	for r, i := mixed(n+7), 0; i < 4; i++ {
		b.WriteString(syllables[r%uint64(len(syllables))])
		r /= uint64(len(syllables))
	}
	name := b.String()
	return strings.ToUpper(name[:1]) + name[1:]
}

// ascii is a name as it stands in an e-mail address.
func ascii(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0x80 || r == '\'' {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

var areaCodes = []int{212, 415, 310, 312, 404, 512, 617, 702, 718, 206, 303, 305, 214, 713, 602, 619, 503, 615, 704, 813, 202, 216, 313, 314, 412, 504, 612, 801, 916, 408}

// numberOf returns the phone of the n-th person, and that as it may be written in the United States:
// where most live. So many are distinct: ten million.
func numberOf(n int) (phone, written string) {
	digits := int(uint64(n/20) * 7_368_787 % 9_999_991) // seven of them; both factors are prime
	a, b := digits/10_000, digits%10_000
	switch n % 20 {
	case 0: // London
		return fmt.Sprintf("+44207%07d", digits), fmt.Sprintf("+44 20 7%03d %04d", a, b)
	case 1: // a mobile phone in Germany
		return fmt.Sprintf("+49151%08d", 20_000_000+digits), fmt.Sprintf("+49 (0)151 %08d", 20_000_000+digits)
	case 2: // and in France
		return fmt.Sprintf("+336%08d", 10_000_000+digits), fmt.Sprintf("+33 6 %08d", 10_000_000+digits)
	}
	// 17 in 20, spread over so many area codes that none of them is used up.
	home := (n/20)*17 + n%20 - 3
	area := areaCodes[home%len(areaCodes)]
	home = int(uint64(home/len(areaCodes)) * 3_368_779 % 7_999_993)
	a, b = 200+home/10_000, home%10_000
	phone = fmt.Sprintf("+1%03d%03d%04d", area, a, b)
	switch n % 7 {
	case 0, 1:
		return phone, fmt.Sprintf("(%03d) %03d-%04d", area, a, b)
	case 2:
		return phone, fmt.Sprintf("+1 %03d-%03d-%04d", area, a, b)
	case 3:
		return phone, fmt.Sprintf("%03d-%03d-%04d", area, a, b)
	case 4:
		return phone, fmt.Sprintf("%03d.%03d.%04d", area, a, b)
	case 5:
		return phone, fmt.Sprintf("1 %03d %03d %04d", area, a, b)
	}
	return phone, phone
}

// mixed spreads numbers that follow one another over all numbers (splitmix64).
func mixed(n int) uint64 {
	z := uint64(n)*0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}
