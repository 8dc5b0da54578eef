/** First names of the world's people. Packed on lines; `entities.ts` decides which are held out. */

const PACKED = `
Ada Adam Adele Adrian Agnes Ahmed Aidan Aisha Akira Alan Albert Alec Alex Alfie Alice Alina Alma Alvin Amara Amber
Amelia Amir Amos Amy Anders Andre Andrea Angela Anika Anita Anna Anton Anya April Archie Ari Ariel Arjun Arlo Arthur
Asha Asher Astrid Audrey Aurora Ava Axel Ayla Aziz Barbara Barry Basil Bea Becky Bella Ben Benita Bernard Bert Beth
Bianca Bill Bjorn Blake Bonnie Boris Brad Brenda Brian Bridget Bruce Bruno Bryan Caleb Camila Carl Carla Carlos Carmen
Carol Caspar Cathy Cecil Celia Chad Chen Chloe Chris Clara Claude Clay Clem Cleo Clive Colin Connor Cora Craig Curtis
Cyril Daisy Dale Dan Dana Daniel Daria Darren Dave David Dawn Dean Deb Delia Della Denis Derek Diana Diego Dina Dirk
Dmitri Dolly Don Donna Dora Doris Doug Duncan Dylan Earl Eddie Edgar Edith Edna Edwin Eileen Elena Eli Elias Elif Elisa
Ella Ellen Elliot Elsa Elsie Emil Emily Emma Enzo Eric Erika Erin Ernie Esme Esther Ethan Eva Evan Eve Ezra Faith
Farah Fatima Faye Felix Fergus Fern Fiona Flora Floyd Frances Frank Frida Fritz Gail Galen Gavin Gemma Gene George Gerda
Gita Glen Gloria Goran Grace Greg Greta Gus Guy Gwen Hadi Hal Hana Hank Hanna Harold Harper Harry Hassan Hazel Heidi
Helen Helga Henrik Henry Hilda Hiro Holly Hope Howard Hugo Ian Ida Igor Ilse Imani Imran Ines Ingrid Irene Iris Irma
Isaac Isabel Ivan Ivy Jack Jade Jake James Jan Jane Janet Jared Jasmin Jason Jay Jean Jeff Jenny Jesse Jill Jim
Joan Joel Johan John Jon Jonas Jordan Jose Josie Joy Joyce Juan Judy Jules Julia June Kai Kara Karen Karim Karl
Kate Kay Keira Keith Ken Kenji Kevin Kim Kira Kofi Kurt Kyle Lana Lara Larry Lars Laura Lea Leah Lee Leila
Lena Leo Leon Leona Leroy Lia Liam Lila Lily Linda Linus Lisa Liv Lloyd Lola Lorna Lou Louis Luca Lucia Lucy
Luis Luka Luke Luna Lydia Lyle Mabel Maddy Mae Magda Malik Manuel Mara Marc Marco Margo Maria Marie Marina Mario
Mark Marlon Marta Martin Mary Mason Mateo Matt Maud Maura Max Maya Mehmet Mei Mel Mia Mick Miguel Mika Mike
Mila Miles Milo Mina Mira Moira Molly Mona Monica Morris Moses Musa Myra Nadia Nancy Naomi Nash Nasir Nate Neil
Nell Nelson Nia Nick Nico Nigel Niko Nils Nina Noah Noel Nora Norma Norman Odette Odin Olaf Olga Olive Oliver
Omar Opal Ora Oscar Otis Otto Owen Pablo Pam Paolo Pat Paul Paula Pavel Pearl Pedro Peggy Penny Perry Petra
Phil Phoebe Pia Pierre Piper Polly Priya Quentin Quinn Rachel Rafael Raj Ralph Ramon Rania Raul Ravi Ray Rhea Rhoda
Rico Rita Rob Robin Rocco Roger Roland Roman Romy Ron Rosa Rose Ross Roy Ruben Ruby Rudy Rufus Rupert Russ
Ruth Ryan Sadie Salma Sam Samir Sana Sandra Sara Saul Scott Sean Selma Seth Shane Shari Sheila Sid Sigrid Silas
Silvia Simon Sofia Sonia Stan Stefan Stella Steve Stuart Sue Sunil Susan Suzy Sven Sybil Talia Tamar Tanya Tara Tariq
Ted Teo Tess Thea Theo Tia Tilda Tim Tina Toby Todd Tom Toni Tony Tova Tracy Troy Tyler Uma Una
Ursula Uwe Val Vera Vernon Vic Vicky Victor Vijay Vince Viola Violet Vita Viv Wade Wanda Ward Warren Wayne Wendy
Werner Will Willa Wilma Winnie Wyatt Xavier Yara Yasmin Yoko Yusuf Yves Yvonne Zack Zadie Zahra Zane Zara Zelda Zoe
`;

/** Every first name, in alphabetical order. */
export const PEOPLE: readonly string[] = PACKED.trim().split(/\s+/u);
