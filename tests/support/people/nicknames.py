"""Short forms people go by, by the name's beginning in the register; of several languages."""

_TABLE = """
Alexander Alex Xander Sascha|Alexandra Alex Sandra|Andrew Andy Drew|Anthony Tony|Barbara Barb Babs|Benjamin Ben Benny
Brian Bri|Catherine Cathy Kate|Charles Charlie Chuck|Christina Tina Chris|Christine Chris Chrissy|Christopher Chris Kit
Cynthia Cindy|Daniel Dan Danny|David Dave|Deborah Deb Debbie|Donald Don|Dorothy Dot Dotty|Douglas Doug|Edward Ed Ted
Elizabeth Liz Beth Betty|Emily Em Emmy|Eric Rick|Eugene Gene|Frances Fran|Frederick Fred|Gerald Jerry|Gregory Greg
Henry Harry Hank|Jacob Jake|Jacqueline Jackie|James Jim Jimmy|Janet Jan|Jeffrey Jeff|Jennifer Jen Jenny|Jessica Jess
John Jack Johnny|Jonathan Jon|Joseph Joe|Joshua Josh|Judith Judy|Katherine Kathy Kate|Kathleen Kathy|Kenneth Ken
Kimberly Kim|Lawrence Larry|Leonard Len|Margaret Maggie Peggy|Martin Marty|Matthew Matt|Megan Meg|Melissa Mel
Michael Mike Mick|Michelle Shelly|Nancy Nan|Nathan Nate|Nicholas Nick|Nicole Nicky|Pamela Pam|Patricia Pat Patty
Patrick Pat Paddy|Peter Pete|Philip Phil|Rachel Rach|Raymond Ray|Rebecca Becky|Richard Rick Dick|Robert Bob Rob
Ronald Ron|Samantha Sam|Samuel Sam|Sandra Sandy|Stephanie Steph|Stephen Steve|Steven Steve|Stuart Stu|Susan Sue
Theodore Ted Theo|Thomas Tom Tommy|Timothy Tim|Valerie Val|Victoria Vicky Tori|Vincent Vince|Virginia Ginny
Walter Walt|William Bill Will|Zachary Zach
Andreas Andi|Anneliese Anne|Elisabeth Lisa Sissi|Ferdinand Ferdi|Franziska Franzi|Friedrich Fritz|Georg Schorsch
Hannelore Hanne|Johannes Hannes|Josef Sepp|Katharina Kathi|Magdalena Leni|Margarete Grete|Matthias Matze|Maximilian Max
Sebastian Basti|Susanne Susi|Ulrich Uli|Wilhelm Willi|Wolfgang Wolf
Adrien Adri|Augustin Gus|Caroline Caro|Frédéric Fred|Gabrielle Gaby|Isabelle Isa|Maximilien Max|Mathilde Mat
Antonio Toni|Concepción Concha|Dolores Lola|Francisca Paca|Francisco Paco Fran|Guadalupe Lupe|Ignacio Nacho|José Pepe
Manuel Manolo|Mercedes Merche|Rosario Charo|Alessandro Ale Sandro|Antonella Nella|Domenico Mimmo|Filippo Pippo
Francesca Franca|Francesco Franco|Giovanni Gianni|Giuseppe Beppe Pino|Luigi Gigi|Vincenzo Enzo
Agnieszka Aga|Aleksander Olek|Aleksandra Ola|Antoni Antek|Franciszek Franek|Jakub Kuba|Kacper Kacperek|Mateusz Mati
Michał Misiek|Mikołaj Miki|Stanisław Staszek|Zuzanna Zuza|Johanna Hanna|Cornelis Cees|Pieter Piet|Margareta Greta
Kristina Stina|Fernando Nando|Eduardo Edu Dudu|Gabriel Gabi|Leonardo Leo|Isabela Bela|Rafael Rafa
Александр Саша|Александра Саша|Алексей Лёша|Анастасия Настя|Владимир Вова|Дмитрий Дима|Евгений Женя|Екатерина Катя
Иван Ваня|Мария Маша|Михаил Миша|Наталья Наташа|Николай Коля|Ольга Оля|Сергей Серёжа|Татьяна Таня|Юрий Юра
Γεώργιος Γιώργος|Ιωάννης Γιάννης|Κωνσταντίνος Κώστας|Δημήτριος Δημήτρης|Αικατερίνη Κατερίνα|Ελένη Λένα|Βασίλειος Βασίλης
"""

NICKNAMES: dict[str, tuple[str, ...]] = {
    words[0]: tuple(words[1:]) for line in _TABLE.split("\n") for entry in line.split("|") if (words := entry.split())
}
