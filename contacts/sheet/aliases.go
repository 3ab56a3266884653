package sheet

// aliases are the names under which programs and people keep the fields, as [key] folds them:
// English as in the exports of Google, Outlook, Apple and the usual customer databases, and the
// common ones in German, Spanish, French, and Italian or Portuguese where they are near.
var aliases = byAlias(map[Field][]string{
	FieldName: {
		"name", "fullname", "contactname", "displayname", "customername", "clientname", "personname", "callername",
		"vollstandigername", "kontaktname", "anzeigename", "kundenname", "vorundnachname",
		"nombre", "nombrecompleto", "nombreyapellidos", "nombreyapellido", "nombredelcontacto", "nombredecontacto",
		"nom", "nomcomplet", "nometprenom", "prenometnom", "nomducontact",
		"nome", "nomecompleto",
	},
	FieldFirstName: {
		"firstname", "givenname", "forename", "first", "given",
		"vorname", "rufname", "prenom", "nombredepila", "primernombre", "primeironome",
	},
	FieldLastName: {
		"lastname", "familyname", "surname", "last", "family",
		"nachname", "familienname", "zuname", "apellido", "apellidos", "nomdefamille", "cognome", "sobrenome", "apelido",
	},
	FieldPhone: {
		"phone", "phonenumber", "phoneno", "phonenr", "phone1", "phone1value", "primaryphone", "mainphone", "contactphone", "contactnumber",
		"mobile", "mobilephone", "mobilenumber", "mobilephonenumber", "mobileno", "cell", "cellphone", "cellphonenumber", "cellnumber", "cellular",
		"telephone", "telephonenumber", "telephoneno", "tel", "telno", "telnr", "telnumber", "phonee164", "e164",
		"telefon", "telefonnummer", "telefonnr", "telnummer", "rufnummer", "handy", "handynummer", "handynr", "mobil", "mobilnummer", "mobilnr",
		"mobiltelefon", "mobilfunk", "mobilfunknummer",
		"telefono", "numerodetelefono", "numerotelefono", "notelefono", "movil", "telefonomovil", "numerodemovil", "celular", "telefonocelular",
		"numerodecelular", "numerotelephone", "ndetelephone", "ntelephone", "nodetelephone", "ndetelefono", "nodetelefono", "ntelefono",
		"ndeportable", "numerodetelephone", "notelephone", "telephonemobile", "telephoneportable", "portable",
		"numerodeportable", "gsm", "telefone", "cellulare", "telemovel",
	},
	FieldEmail: {
		"email", "emailaddress", "emailadress", "mail", "mailaddress", "email1", "email1value", "primaryemail", "emails",
		"emailadresse", "mailadresse", "correo", "correoelectronico", "direcciondecorreo", "direcciondecorreoelectronico",
		"courriel", "adressemail", "adresseemail", "adresseelectronique", "adressecourriel",
	},
	FieldTags: {
		"tag", "tags", "label", "labels", "group", "groups", "groupmembership", "category", "categories", "list", "lists", "segment", "segments",
		"schlagwort", "schlagworte", "schlagworter", "stichwort", "stichworte", "gruppe", "gruppen", "kategorie", "kategorien", "etikett", "etiketten",
		"etiqueta", "etiquetas", "grupo", "grupos", "categoria", "categorias",
		"etiquette", "etiquettes", "groupe", "groupes", "categorie", "motscles", "motcle",
	},
	FieldNotes: {
		"note", "notes", "comment", "comments", "description", "descriptions", "remark", "remarks", "memo",
		"notiz", "notizen", "bemerkung", "bemerkungen", "anmerkung", "anmerkungen", "kommentar", "kommentare", "beschreibung",
		"nota", "notas", "comentario", "comentarios", "observacion", "observaciones", "descripcion",
		"commentaire", "commentaires", "remarque", "remarques", "observations",
	},
})

func byAlias(byField map[Field][]string) map[string]Field {
	all := map[string]Field{}
	for field, names := range byField {
		for _, name := range names {
			all[name] = field
		}
	}
	return all
}
