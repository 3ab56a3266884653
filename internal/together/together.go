// Package together runs more tests of a package at once than there are processors, where tests wait
// for other processes and for time to pass more than they compute.
package together

import (
	"flag"
	"runtime"
	"strconv"
)

// AtLeast has n tests run at once, or as many as there are processors if those are more, unless
// -parallel says otherwise. A TestMain calls it before it runs the tests.
func AtLeast(n int) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return
	}
	if err := flag.Set("test.parallel", strconv.Itoa(max(n, runtime.GOMAXPROCS(0)))); err != nil {
		panic(err) // testing has had this flag for ever
	}
}
