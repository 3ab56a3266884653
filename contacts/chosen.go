package contacts

import (
	"context"
	"errors"
	"slices"
	"strings"

	"ringside/internal/org"
	"ringside/internal/problem"
)

func tooManyChosen() error {
	return problem.New(problem.CodeInvalid, "At most %d contacts can be chosen at a time.", MaxPage)
}

// ArchiveChosen archives contacts that somebody has picked, and returns how many. Those that are
// archived already, or gone, are left as they are.
func (b *Book) ArchiveChosen(ctx context.Context, id org.ID, contactIDs []string) (archived int, err error) {
	return b.chosen(contactIDs, func(contactID string) error { return b.Archive(ctx, id, contactID) })
}

// TagChosen gives a tag to contacts that somebody has picked, or takes it from them, and returns how
// many have changed.
func (b *Book) TagChosen(ctx context.Context, o org.Org, contactIDs []string, tag string, off bool) (changed int, err error) {
	clean := CleanTags([]string{tag})
	if len(clean) == 0 {
		return 0, problem.Invalid("tag", "Write the tag.")
	}
	if tag = clean[0]; strings.Contains(tag, ",") {
		return 0, problem.Invalid("tag", "Write one tag, without commas.")
	}
	errSame := problem.NotFound("It is so already.")
	return b.chosen(contactIDs, func(contactID string) error {
		held, err := b.Get(ctx, o.ID, contactID)
		if err != nil {
			return err
		}
		has := func(t string) bool { return strings.EqualFold(t, tag) }
		if slices.ContainsFunc(held.Tags, has) != off {
			return errSame
		}
		tags := append(slices.Clone(held.Tags), tag)
		if off {
			tags = slices.DeleteFunc(slices.Clone(held.Tags), has)
		}
		_, err = b.Change(ctx, o, contactID, Change{Tags: &tags, Seen: &held.UpdatedAt})
		return err
	})
}

// chosen does something with each of the contacts, and counts for how many it was done. What is not
// there, or needs nothing done, is passed over. One that refuses is passed over too, and the first
// such problem returned when all others are done; any other error ends it.
func (b *Book) chosen(contactIDs []string, do func(contactID string) error) (done int, err error) {
	if len(contactIDs) > MaxPage {
		return 0, tooManyChosen()
	}
	var first error
	for _, contactID := range contactIDs {
		err := do(contactID)
		p, refused := errors.AsType[*problem.Error](err)
		switch {
		case refused && p.Code == problem.CodeNotFound:
		case refused && first == nil:
			first = p
		case refused:
		case err != nil:
			return done, err
		default:
			done++
		}
	}
	return done, first
}
