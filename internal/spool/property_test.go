package spool_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"ringside/internal/spool"
)

// model is what the log has promised.
type model struct {
	t       *rapid.T
	random  *rand.Rand
	folder  *memory
	log     *spool.Log
	n       int             // records that were ever tried
	tried   map[string]bool // each is its own text
	kept    []string        // acknowledged and not done, in order
	putOff  []string        // of them, in order
	done    map[string]bool // may come again after a crash
	aside   map[string]bool
	noSpace bool
	failed  bool // an fsync has failed since the log was opened
}

func (m *model) open() {
	m.folder.fault, m.noSpace, m.failed, m.putOff = nil, false, false, nil
	l, _, err := spool.Open(m.folder, spool.Options{SegmentBytes: 300, MaxBytes: 1 << 20})
	if err != nil {
		m.t.Fatalf("open: %v", err)
	}
	m.log = l
}

func (m *model) append(count int) {
	data := make([][]byte, count)
	for i := range data {
		m.n++
		text := fmt.Sprintf("%d:%s", m.n, string(make([]byte, m.random.IntN(120))))
		m.tried[text] = true
		data[i] = []byte(text)
	}
	err := m.log.Append(data...)
	switch {
	case m.failed && !errors.Is(err, spool.ErrFailed):
		m.t.Fatalf("append after a failed fsync: %v", err)
	case m.noSpace && !m.failed && err != nil && !errors.Is(err, spool.ErrFull):
		m.t.Fatalf("append without room: %v", err)
	case err == nil:
		for _, d := range data {
			m.kept = append(m.kept, string(d))
		}
	case !m.noSpace && !m.failed:
		m.t.Fatalf("append: %v", err)
	}
}

// oldest takes records and returns their texts.
func (m *model) oldest(most int) (records []spool.Record, texts []string) {
	records, err := m.log.Oldest(most, 1<<20)
	if err != nil {
		m.t.Fatalf("oldest: %v", err)
	}
	for _, r := range records {
		texts = append(texts, string(r.Data))
	}
	return records, texts
}

// gone: these are done, or set aside.
func (m *model) gone(texts ...string) {
	for _, list := range []*[]string{&m.kept, &m.putOff} {
		*list = slices.DeleteFunc(*list, func(text string) bool { return slices.Contains(texts, text) })
	}
}

// check holds what the log has against what it may have.
func (m *model) check() {
	_, texts := m.oldest(1 << 20)
	seen := map[string]bool{}
	for _, text := range texts {
		if !m.tried[text] {
			m.t.Fatalf("%q was never appended", text)
		}
		if seen[text] {
			m.t.Fatalf("%q is there twice", text)
		}
		seen[text] = true
	}
	want := slices.DeleteFunc(slices.Clone(m.kept), func(text string) bool { return slices.Contains(m.putOff, text) })
	if len(texts) > 0 && slices.Contains(m.putOff, texts[0]) { // nothing else is left
		want = append(want, m.putOff...)
	}
	next := 0
	for _, text := range texts {
		if next < len(want) && text == want[next] {
			next++
		}
	}
	if next != len(want) {
		m.t.Fatalf("%d acknowledged records, of which the log has, in this order, %d: %q of %q", len(want), next, texts, want)
	}
	if len(texts) == 0 && len(m.kept) > 0 {
		m.t.Fatalf("%d acknowledged records, and the log has none", len(m.kept))
	}
	held, err := spool.ReadAside(m.folder)
	if err != nil {
		m.t.Fatal(err)
	}
	there := map[string]bool{}
	for _, a := range held {
		there[string(a.Data)] = true
	}
	for text := range m.aside {
		if !there[text] && !seen[text] {
			m.t.Fatalf("%q was set aside and is gone", text)
		}
	}
}

// Whatever happens to the program and to the machine, what was acknowledged comes out, once and in order, and nothing else that
// was never appended.
func TestLogKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, random: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)), folder: newMemory(), tried: map[string]bool{}, done: map[string]bool{}, aside: map[string]bool{}}
		m.open()
		defer func() { _ = m.log.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) { m.append(rapid.IntRange(1, 5).Draw(t, "records")) },
			"done": func(t *rapid.T) {
				records, texts := m.oldest(rapid.IntRange(1, 8).Draw(t, "records"))
				if err := m.log.Done(records...); err != nil {
					t.Fatalf("done: %v", err)
				}
				m.gone(texts...)
			},
			"put off": func(t *rapid.T) {
				records, texts := m.oldest(rapid.IntRange(1, 3).Draw(t, "records"))
				for i, r := range records {
					m.log.PutOff(r)
					m.putOff = append(slices.DeleteFunc(m.putOff, func(text string) bool { return text == texts[i] }), texts[i])
				}
			},
			"set aside": func(t *rapid.T) {
				records, texts := m.oldest(1)
				if len(records) == 0 {
					return
				}
				if err := m.log.SetAside(records[0], "poison"); err != nil {
					if !m.noSpace {
						t.Fatalf("set aside: %v", err)
					}
					return
				}
				m.aside[texts[0]] = true
				m.gone(texts[0])
			},
			"the disk is full": func(*rapid.T) {
				if m.failed {
					return
				}
				m.noSpace = true
				m.folder.set(func(operation string) error {
					if (operation == "write" || operation == "create") && m.random.IntN(2) == 0 {
						return errNoSpace
					}
					return nil
				}, m.random.IntN)
			},
			"there is room": func(*rapid.T) {
				if !m.failed {
					m.noSpace = false
					m.folder.set(nil, nil)
				}
			},
			"fsync fails": func(*rapid.T) {
				m.folder.set(func(operation string) error {
					if operation == "sync" {
						return errBroken
					}
					return nil
				}, nil)
				m.noSpace = false
				m.n++
				text := fmt.Sprint(m.n, ": lost")
				m.tried[text] = true
				if err := m.log.Append([]byte(text)); !errors.Is(err, spool.ErrFailed) {
					m.t.Fatalf("append with a failing fsync: %v", err)
				}
				m.failed = true
				m.folder.set(nil, nil) // the next one would succeed, and lie
			},
			"the program is killed": func(*rapid.T) {
				m.reopen(m.folder.killed())
			},
			"the machine loses its power": func(*rapid.T) {
				m.reopen(m.folder.losePower(m.random))
			},
			"the program ends": func(*rapid.T) {
				if err := m.log.Close(); err != nil {
					m.t.Fatalf("close: %v", err)
				}
				m.open()
			},
			"": func(*rapid.T) { m.check() },
		})
	})
}

func (m *model) reopen(folder *memory) {
	_ = m.log.Close() // in the folder that is gone
	m.folder = folder
	m.open()
}
