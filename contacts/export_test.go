package contacts

// What the tests compare with the database: the list of names that name nobody, how a name is made
// fit to be stored, and the statement that must find its index.
var (
	Placeholders = placeholders
	Tidy         = tidy
	NearMissSQL  = nearMissSQL
)
