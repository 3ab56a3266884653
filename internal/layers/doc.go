// Package layers holds the arrows of the design: which package may import which, and why. It is a
// test and nothing else; no program imports it.
//
// Arrows point one way, from the program down to the ground that everything stands on. A new import
// between packages fails the test until its arrow is added to the table, with the reason; an arrow
// that nobody uses any more fails it too. So the table is what the packages know of one another,
// not what they were once meant to.
package layers
